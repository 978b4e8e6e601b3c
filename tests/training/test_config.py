"""Settings: what they mean, and what is refused."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from visionlora.errors import VisionLoraError
from visionlora.models.config import ModelConfig
from visionlora.optimizers.config import OptimizerConfig
from visionlora.retention.config import RetentionConfig
from visionlora.settings import build
from visionlora.training.config import RunConfig, TrainerConfig
from visionlora.training.trainer import check_available


def test_the_more_there_is_to_forget_the_less_the_network_may_move() -> None:
    options = RetentionConfig()
    assert options.drift_for(1000, classes=1) == pytest.approx(219.86, abs=0.05)
    assert options.drift_for(20, classes=1) == pytest.approx(1.2, abs=0.01)
    assert RetentionConfig(drift=2.0).drift_for(1000, classes=7) == 2.0


def test_the_more_there_is_to_learn_the_more_the_network_may_move() -> None:
    assert RetentionConfig().drift_for(1000, classes=142) == pytest.approx(48.26, abs=0.05)


def test_a_network_with_more_to_say_is_kept_with_more_weight() -> None:
    options = RetentionConfig()
    assert options.weight_for(20) == pytest.approx(1.0, abs=0.01)
    assert options.weight_for(1000) == pytest.approx(3.449, abs=0.01)
    assert RetentionConfig(weight=2.0).weight_for(1000) == 2.0


def test_without_weight_or_anchors_nothing_is_distilled() -> None:
    assert RetentionConfig().distils
    assert not RetentionConfig(weight=0).distils
    assert not RetentionConfig(per_step=0).distils


def test_anchors_take_half_a_step_more() -> None:
    assert RetentionConfig().per_step_for(16) == 8
    assert RetentionConfig().per_step_for(5) == 3
    assert RetentionConfig(per_step=5).per_step_for(16) == 5


def test_steps_grow_with_the_images_but_not_without_end() -> None:
    options = TrainerConfig()
    assert options.steps(images=5, batch_size=16) == 320
    assert options.steps(images=400, batch_size=16) == 16 * 25
    assert options.steps(images=1000, batch_size=16) == 540
    assert options.steps(images=4000, batch_size=16) == 8 * 250
    assert TrainerConfig(max_steps=7).steps(1000, 16) == 7


def test_a_new_head_takes_fewer_steps() -> None:
    options = TrainerConfig()
    assert options.steps(images=20, batch_size=16, new_head=True) == 80
    assert options.steps(images=4000, batch_size=16, new_head=True) == 6 * 250
    assert TrainerConfig(max_steps=7).steps(1000, 16, new_head=True) == 7


def test_a_new_head_learns_at_a_smaller_rate_unless_the_user_says_otherwise() -> None:
    assert OptimizerConfig().for_head(new=True).lr == 5e-4
    assert OptimizerConfig().for_head(new=False).lr == 3e-3
    assert OptimizerConfig(lr=1e-2).for_head(new=True).lr == 1e-2
    assert OptimizerConfig(lr="auto").for_head(new=True).lr == "auto"


def test_a_familys_factor_is_for_learning_rates_that_nobody_gave() -> None:
    for given, factor in ((None, 10), ("auto", 10), (1e-2, 1)):
        assert OptimizerConfig(lr=given).for_head(new=False, factor=10).adapter_factor == factor
    assert OptimizerConfig(adapter_factor=2).for_head(new=False, factor=10).adapter_factor == 2
    again = OptimizerConfig().for_head(new=False, factor=10)  # as a resumed run reads it
    assert again.for_head(new=False, factor=10) == again


def test_a_run_with_a_new_head_does_not_stop_early_unless_the_user_says_so() -> None:
    assert TrainerConfig().for_head(new=True).stops_after is None
    assert TrainerConfig().for_head(new=False).stops_after == 4
    assert TrainerConfig(patience=2).for_head(new=True).stops_after == 2
    assert TrainerConfig(patience=None).for_head(new=False).stops_after is None


def test_labels_are_smoothed_with_a_new_head_unless_the_user_says_otherwise() -> None:
    assert OptimizerConfig().for_head(new=True).label_smoothing == 0.1
    assert OptimizerConfig().for_head(new=False).label_smoothing == 0.0
    assert OptimizerConfig(label_smoothing=0.0).for_head(new=True).label_smoothing == 0.0


def test_a_single_folder_of_anchors_needs_no_brackets() -> None:
    assert RetentionConfig(anchors="folder") == RetentionConfig(anchors=["folder"])
    assert RetentionConfig().anchors == "auto"


def test_a_rate_of_b_is_refused_for_families_without_b() -> None:
    given = {"data": {"root": "x"}, "optimizer": {"b_factor": 4.0}}
    assert build(RunConfig, given).optimizer.b_factor == 4
    with pytest.raises(VisionLoraError, match=r"optimizer.b_factor is 4, and lora.family=ia3 has no A and B"):
        build(RunConfig, {**given, "lora": {"family": "ia3"}})


@pytest.mark.parametrize("precision", ["auto", "32-true", "bf16-mixed", "16-mixed"])
def test_a_cpu_refuses_the_precision_that_it_would_not_compute_in(precision: str) -> None:
    refused = pytest.raises(VisionLoraError, match="a CPU trains in no float16; set bf16-mixed")
    with refused if precision == "16-mixed" else nullcontext():
        check_available(ModelConfig(name="pocket"), TrainerConfig(precision=precision, accelerator="cpu"))
