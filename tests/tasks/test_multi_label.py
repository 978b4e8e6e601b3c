"""Several labels an image: the loss, the thresholds and the figures, held against their definitions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tasks.labels import drawn, f1
from visionlora.tasks.choose import predicted_names
from visionlora.tasks.multi_label import (
    MultiLabel,
    distillation,
    loss,
    positive_weights,
)
from visionlora.tasks.thresholds import best_thresholds, halves

NAMES = {0: "cat", 1: "dog", 2: "rain"}
OUTPUTS = list(NAMES.values())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.integers(1, 9), st.floats(0, 0.9), st.booleans())
def test_the_loss_is_the_binary_cross_entropy(
    seed: int, images: int, smoothing: float, weighted: bool
) -> None:
    logits, labels = drawn(seed, images)
    weights = torch.tensor([1.0, 2.0, 0.5]) if weighted else None
    target = labels * (1 - smoothing) + smoothing / 2
    p, factor = logits.double().sigmoid(), 1.0 if weights is None else weights
    expected = -(factor * target * p.log() + (1 - target) * (1 - p).log()).mean()
    torch.testing.assert_close(
        loss(logits, labels, smoothing, weights).double(), expected.double(), rtol=1e-4, atol=1e-6
    )


def test_images_with_and_without_a_label_weigh_alike() -> None:
    weights = positive_weights({0: 2, 1: 10}, images=10, outputs=3)
    assert weights.tolist() == [4.0, 1.0, 1.0]
    labels, logits = torch.zeros(10, 1), torch.zeros(10, 1, requires_grad=True)
    labels[:2] = 1
    loss(logits, labels, weights=weights[:1]).backward()
    assert logits.grad is not None and float(logits.grad.sum()) == pytest.approx(0, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 999), st.floats(0.5, 3))
def test_distillation_is_the_divergence_of_each_label(seed: int, temperature: float) -> None:
    student, teacher = drawn(seed, 5)[0], drawn(seed + 1, 5)[0]
    p, q = (teacher.double() / temperature).sigmoid(), (student.double() / temperature).sigmoid()
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum(1).mean() * temperature**2
    found = distillation(student, teacher, temperature)
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-5)
    assert float(distillation(teacher, teacher)) == 0


def test_each_half_is_judged_with_the_thresholds_of_the_other() -> None:
    logits, labels = drawn(7, 24)
    chosen = MultiLabel().chosen_on(logits, labels, NAMES)
    assert chosen.what == ("thresholds",)
    first = halves(labels)
    assert int(first.sum()) == 12
    assert all(abs(float(labels[first, one].sum() - labels[~first, one].sum())) <= 4 for one in NAMES)
    given = torch.zeros_like(labels, dtype=torch.bool)
    for half in (first, ~first):
        limits = best_thresholds(logits[~half], labels[~half])
        given[half] = logits[half].double().sigmoid() > limits
    figures = chosen.cross_fitted["validation"]
    assert figures["f1"] == pytest.approx(f1(given, labels > 0.5))
    assert figures["selected_on_these_images"] == ["checkpoint"]
    own = chosen.task.metrics(logits, labels, NAMES)
    assert own["f1"] > figures["f1"], "what is chosen on the images themselves is better on them"


def test_too_few_images_are_not_halved() -> None:
    assert MultiLabel().chosen_on(*drawn(1, 7), NAMES).cross_fitted == {}


def test_a_label_that_no_image_has_keeps_its_threshold_and_is_not_measured() -> None:
    logits, labels = drawn(3, 12)
    labels[:, 2] = 0
    chosen = MultiLabel().chosen_on(logits, labels, NAMES)
    assert chosen.words is not None and "0.5 for rain" in chosen.words
    figures = chosen.task.metrics(logits, labels, NAMES)
    rain = figures["per_label"]["rain"]
    assert (rain["threshold"], rain["ap"], rain["recall"]) == (0.5, "not measured", "not measured")
    measured = [figures["per_label"][name]["ap"] for name in ("cat", "dog")]
    assert figures["map"] == pytest.approx(sum(measured) / 2)


def test_every_label_above_its_threshold_is_given_and_no_other() -> None:
    task = MultiLabel(thresholds=(0.9, 0.5, 0.2))
    logits = torch.tensor([[2.0, 1.0, -1.0], [3.0, -1.0, -2.0], [0.0, -1.0, -3.0]])
    labels = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    names = [[name for name, _ in one] for one in task.decode(logits, OUTPUTS, top=1)]
    assert names == [["dog", "rain"], ["cat"], []]
    shown = [(truth, name) for truth, name, _ in predicted_names(task, logits, labels, OUTPUTS)]
    assert shown == [("dog, rain", "dog, rain"), ("cat, dog", "cat"), ("no label", "no label")]
    assert task.mistakes(logits, labels).tolist() == [False, True, False]
    assert task.about(OUTPUTS) == {"task": "multi_label", "thresholds": {"cat": 0.9, "dog": 0.5, "rain": 0.2}}


def test_a_perfect_network_has_perfect_figures() -> None:
    _, labels = drawn(5, 20)
    figures = MultiLabel().metrics(20 * (labels - 0.5), labels, NAMES)
    assert [figures[key] for key in ("map", "precision", "recall", "f1", "macro_f1", "exact")] == [1.0] * 6
    assert figures["exact_interval"][0] < 0.9
