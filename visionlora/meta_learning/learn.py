"""Reptile (Nichol et al. 2018, https://arxiv.org/abs/1803.02999) and first-order MAML (Finn et al. 2017,
https://arxiv.org/abs/1703.03400, section 5.2): a start from which a few steps on a few images lead far."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.meta_learning.config import MetaConfig
from visionlora.meta_learning.problem import Problem
from visionlora.meta_learning.tasks import Task


class StartLearner:
    """Moves A of the adapters, task by task, to a better start. B is zero in every start, so a start computes
    what the frozen network computes: with a B of its own it remembers the classes of its tasks, and predicts
    those for images of classes that no task had (Yin et al. 2020, https://arxiv.org/abs/1912.03820).

    Args:
        problem: the network and its images.
        parameters: A and B of the adapters, by name; B is zero.
        options: of the tasks.
        seed: flips and anchors are a function of it and of the task.
    """

    def __init__(
        self, problem: Problem, parameters: Mapping[str, nn.Parameter], options: MetaConfig, seed: int
    ) -> None:
        self.problem = problem
        self.parameters = dict(parameters)
        self.options = options
        self.seed = seed
        self.done = 0
        self.learned = {name: one for name, one in self.parameters.items() if name.endswith("lora_A")}
        self.outer = torch.optim.AdamW(self.learned.values(), lr=options.outer_rate, weight_decay=0.0)

    def learn(self, task: Task) -> float:
        """Learn from one task; gives top-1 on its other images after its steps."""
        draw = random.Random(f"steps/{self.seed}/{self.done}")
        start = self.start()
        self.adapt(task.support, draw)
        right = self.problem.accuracy(task.query)
        if self.options.method == "maml":
            loss = self.problem.loss(task.query, draw)
            gradients = torch.autograd.grad(loss, list(self.learned.values()))
            self.set_start(start)
            for parameter, gradient in zip(self.learned.values(), gradients, strict=True):
                parameter.grad = gradient
            self.outer.step()
            self.outer.zero_grad()
        else:
            share = self.options.outer_rate
            moved = {name: start[name].lerp(one.detach(), share) for name, one in self.learned.items()}
            self.set_start(start | moved)
        self.done += 1
        return right

    def adapt(self, support: Sequence[int], draw: random.Random) -> None:
        """A task's steps, from the values as they are now."""
        optimizer = torch.optim.AdamW(self.parameters.values(), lr=self.options.lr, weight_decay=0.0)
        for _ in range(self.options.steps):
            optimizer.zero_grad()
            self.problem.loss(support, draw).backward()
            optimizer.step()
        optimizer.zero_grad()

    def start(self) -> dict[str, Tensor]:
        """A copy of the values."""
        return {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def set_start(self, values: Mapping[str, Tensor]) -> None:
        """Give the adapters these values."""
        for name, parameter in self.parameters.items():
            parameter.copy_(values[name])

    def after_steps(self, start: Mapping[str, Tensor], task: Task, number: int) -> tuple[float, float | None]:
        """From a start, a task's steps: top-1 on its other images, and the anchors' agreement with the frozen
        network; None without any. The values are the same afterwards."""
        before = self.start()
        self.set_start(start)
        self.adapt(task.support, random.Random(f"held out/{self.seed}/{number}"))
        right = self.problem.accuracy(task.query)
        agreement = None if self.problem.anchors is None else self.problem.agreement()
        self.set_start(before)
        return right, agreement

    def state(self) -> dict[str, Any]:
        """For :meth:`restore`."""
        return {"done": self.done, "values": self.start(), "outer": self.outer.state_dict()["state"]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.done = int(state["done"])
        self.set_start(state["values"])
        groups = self.outer.state_dict()["param_groups"]
        self.outer.load_state_dict({"state": state["outer"], "param_groups": groups})
