"""Where tasks begin: directions in which the gradients of different images agree."""

from __future__ import annotations

import random
from functools import partial
from itertools import combinations, permutations, product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from visionlora.adapters import LoraConfig, attach
from visionlora.adapters.collect import layer_inputs, weight_gradients
from visionlora.adapters.init import contrastive
from visionlora.adapters.init.contrastive import aligned
from visionlora.adapters.init.start import Start
from visionlora.adapters.network import named_adapters
from visionlora.meta_learning.aligned import FALL, LAST, LEAST, VIEWS, _lengths, aligned_starts
from visionlora.meta_learning.problem import Features, Problem

CLASSES = {"a": [0, 1, 2], "b": [3, 4], "c": [5, 6]}


@pytest.fixture
def problem(monkeypatch: pytest.MonkeyPatch) -> Problem:
    """Seven images of three classes, and seven anchors; one layer has fewer columns than the rank."""
    monkeypatch.setattr("visionlora.meta_learning.problem.has_bfloat16", lambda device: False)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 6, 1), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(200, 3)
    )
    attach(network, LoraConfig(rank=3))

    def features(images: torch.Tensor, targets: list[int]) -> Any:
        class Dataset:
            def __len__(self) -> int:
                return len(images)

        dataset = Dataset()
        dataset.targets = targets  # type: ignore[attr-defined]
        return SimpleNamespace(
            dataset=dataset, get=lambda views, device: [torch.stack([images[place] for place, _ in views])]
        )

    network.eval()
    return Problem(
        network, network, features(torch.randn(7, 2, 5, 5), [0, 0, 0, 1, 1, 2, 2]),
        features(torch.randn(7, 2, 5, 5), []), 1.0, 1.0,
    )  # fmt: skip


@pytest.mark.parametrize("task_classes", [2, 3])
def test_a_start_compares_the_images_that_a_task_steps_on_with_its_others(
    problem: Problem, task_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    def recorded(base: Tensor, settings: Any, agreement: Tensor, cost: Tensor, basis: None) -> Start:
        given[tuple(base.shape)] = agreement, cost
        return aligned(base, settings, agreement, cost, basis)

    monkeypatch.setattr("visionlora.meta_learning.aligned.aligned", recorded)
    starts = aligned_starts(problem, CLASSES, task_classes, 0, lambda done, count: None)
    assert set(starts) == {"1", "4"}, "the first layer has two columns"
    images = range(sum(map(len, CLASSES.values())))
    gradients = [weight_gradients(problem.network, partial(problem.image_loss, place)) for place in images]
    draw = torch.Generator().manual_seed(0)
    order = random.Random("known/0").sample(range(7), 7)
    views = [(place, view) for place in order for view in range(VIEWS)]
    known = [weight_gradients(problem.network, partial(problem.anchor_loss, view, draw)) for view in views]
    for name, start in starts.items():
        rows = [one[name].flatten(1).double() for one in gradients]

        def mean(pairs: list[tuple[int, int]], rows: list[Tensor] = rows) -> Tensor:
            return torch.stack([rows[one].t() @ rows[other] for one, other in pairs]).mean(0)

        # Steps see one image of each class of a task; every pair of these and the others is as likely.
        tasks = []
        for task in combinations(CLASSES.values(), task_classes):
            same = [mean([(one, other) for one in own for other in own if one != other]) for own in task]
            across = [mean(list(product(one, other))) for one, other in permutations(task, 2)]
            tasks.append(torch.stack(same + across).mean(0))
        agreement, cost = given[tuple(gradients[0][name].shape)]
        torch.testing.assert_close(agreement, torch.stack(tasks).mean(0), rtol=1e-4, atol=1e-6)
        squares = [K.t() @ K for K in (one[name].flatten(1).double() for one in known)]
        torch.testing.assert_close(cost, torch.stack(squares).mean(0), rtol=1e-4, atol=1e-6)
        assert start.B is None and start.A.shape == named_adapters(problem.network)[name].lora_A.shape
        length = {"4": LAST, "1": FALL * LAST}[name]
        torch.testing.assert_close(start.A.flatten(1).norm(dim=1), torch.full((3,), length))


def test_layers_with_many_columns_are_compared_in_the_span_of_some_inputs(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contrastive, "MOST_COLUMNS", 100)
    start = aligned_starts(problem, CLASSES, 2, 0, lambda done, count: None)["4"]
    assert problem.anchors is not None
    views = [(place, False) for place in range(7)]
    both = [features.get(views, problem.device)[0] for features in (problem.images, problem.anchors)]
    inputs = layer_inputs(problem.network, lambda: problem.network(torch.cat(both)))["4"]
    rest = start.A - start.A @ torch.linalg.pinv(inputs) @ inputs
    assert rest.norm() < 1e-3 * start.A.norm()


def test_an_anchor_gets_the_labels_that_the_network_predicts_for_it(problem: Problem) -> None:
    assert problem.anchors is not None
    with torch.no_grad():
        problem.network[-1].bias.copy_(torch.tensor([0.0, 50.0, 0.0]))  # type: ignore[index, operator]
    draw = torch.Generator().manual_seed(0)
    assert all(problem.anchor_loss((place, False), draw).item() < 1e-3 for place in range(7))


def test_improbable_labels_of_an_anchor_are_drawn_more_often_than_predicted(problem: Problem) -> None:
    assert problem.anchors is not None
    last = problem.network[-1]  # type: ignore[index]
    with torch.no_grad():
        last.base_weight.zero_()
        last.bias.copy_(torch.tensor([4.0, 0.0, 0.0]))
    draw = torch.Generator().manual_seed(0)
    losses = [problem.anchor_loss((0, False), draw).item() for _ in range(400)]
    softened = torch.tensor([2.0, 0.0, 0.0]).log_softmax(0)
    probable = [loss for loss in losses if abs(loss + float(softened[0])) < 1e-5]
    assert len(probable) / len(losses) == pytest.approx(float(softened[0].exp()), abs=0.05)


def test_an_anchor_is_seen_as_it_is_flipped_and_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionlora.meta_learning.problem.has_bfloat16", lambda device: False)

    class Dataset(dict):
        def collate(self, items: list[Tensor]) -> dict[str, Tensor]:
            return {"images": torch.stack(items)}

    image, other = torch.arange(12.0).reshape(1, 3, 4), torch.ones(1, 3, 4)
    features = Features(Dataset({7: image}), None, Dataset({(2, 7): other, (3, 7): 2 * other}))  # type: ignore[arg-type]
    (found,) = features.get([(7, view) for view in range(4)], torch.device("cpu"))
    torch.testing.assert_close(found, torch.stack([image, image.flip(-1), other, 2 * other]))


def test_no_layers_rows_are_shorter_than_the_least() -> None:
    lengths = _lengths([str(place) for place in range(20)])
    assert list(lengths.values()) == sorted(lengths.values(), reverse=True)
    assert (lengths["0"], lengths["19"]) == (LEAST, LAST)
