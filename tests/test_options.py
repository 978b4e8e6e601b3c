"""Options: every value has a type and a range, and is refused with the name of its key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visionlora.check import COMMAND as CHECK
from visionlora.combine import COMMAND as COMBINE
from visionlora.convert import COMMAND as CONVERT
from visionlora.data.config import AugmentConfig, DataConfig
from visionlora.data.images.augment import BatchMixing
from visionlora.errors import VisionLoraError
from visionlora.evaluate import COMMAND as EVALUATE
from visionlora.explain import COMMAND as EXPLAIN
from visionlora.export import COMMAND as EXPORT
from visionlora.extract import COMMAND as EXTRACT
from visionlora.gallery import COMMAND as GALLERY
from visionlora.merge import COMMAND as MERGE
from visionlora.meta import COMMAND as META
from visionlora.options import Rule, checked
from visionlora.predict import COMMAND as PREDICT
from visionlora.push import COMMAND as PUSH
from visionlora.quantise import COMMAND as QUANTISE
from visionlora.retention.config import RetentionConfig
from visionlora.runs import COMMAND as RUNS
from visionlora.settings import build, keys_of
from visionlora.train import COMMAND as TRAIN
from visionlora.training.config import RunConfig, TrainerConfig

COMMANDS = {
    command.name: command
    for command in (
        TRAIN,
        CHECK,
        PREDICT,
        EVALUATE,
        MERGE,
        QUANTISE,
        COMBINE,
        EXTRACT,
        CONVERT,
        EXPORT,
        EXPLAIN,
        RUNS,
        GALLERY,
        PUSH,
        META,
    )
}

REQUIRED: Mapping[str, Mapping[str, Any]] = {
    "train": {"data": {"root": "images"}},
    "predict": {"adapter": "run", "images": "images"},
    "evaluate": {"adapter": "run", "data": {"root": "images"}},
    "merge": {"adapter": "run", "output": "weights.pth"},
    "export": {"adapter": "run", "output": "network.onnx", "precision": "int8"},
    "check": {"data": {"root": "x"}},
    "quantise": {"output": "weights.safetensors"},
    "combine": {"adapters": ["run", "other"], "output": "combined"},
    "extract": {"model": "resnet18", "tuned": "tuned.pth", "output": "extracted"},
    "convert": {"source": "run", "output": "converted"},
    "explain": {},
    "meta": {"data": {"root": "images"}},
    "runs": {},
    "adapters": {},
    "push": {"adapter": "run", "repo": "me/mine"},
}

INF, NAN = math.inf, math.nan
TEXT = (None, "", " ", True, [], "a\0b")
SWITCH = ("auto", 1, 0, None, "yes", [True])
SHARE = (-0.1, 1.1, INF, NAN, "half", True, [0.5])
COUNT = (0, -1, 1.5, INF, NAN, 10**400, 1e300, "many", True, [1])

REFUSED: Mapping[str, tuple[Any, ...]] = {
    "seed": (-1, 2**32, 2**64, True, 0.5, None, "x"),
    "task": ("multilabel", "", None, 1, True, []),
    "logger": ("tensorbord", "", None, 1, True, []),
    "resume.run": TEXT[1:],
    "resume.force": SWITCH,
    "start": TEXT,
    "meta.method": ("adam", "", None, 1, True),
    "meta.tasks": COUNT,
    "meta.classes": (*COUNT, 1, None),
    "meta.shots": (*COUNT, None),
    "meta.steps": (*COUNT, None),
    "meta.lr": (0, -1, INF, NAN, None, "x", True),
    "meta.outer_lr": (0, -1, INF, NAN, "x", True),
    "meta.held_out": (-1, 0.5, INF, None, "x", True),
    "data.name": TEXT,
    "data.root": TEXT,
    "data.class_name": TEXT[1:],
    "data.class_from": ("names ", "file", "", None, 1, True),
    "data.separator": ("|", "tab", "", None, 1, True),
    "data.val_fraction": (-0.1, 1, 1.5, INF, NAN, "x", None, True),
    "data.on_bad": ("ignore", "", None, 1, True),
    "data.balance": SWITCH,
    "data.folds": (1, 0, -1, 2.5, 10**9, "x", True),
    "data.batch_size": (*COUNT, None, 1_000_000_000),
    "data.cache_mb": (-1, INF, NAN, None, "x", True),
    "data.workers": (-1, 1000, 0.5, None, "x", True),
    "augment.crop_scale": ([], [0.5], [0, 1], [0.5, 2], [0.9, 0.5], [NAN, 1], ["a", "b"], 0.5, None),
    "augment.crop_ratio": ([], [1], [0, 1], [2, 1], [1, INF], 1.0, None, "x"),
    "augment.horizontal_flip": SHARE,
    "augment.trivial": SWITCH,
    "augment.colour_jitter": SHARE,
    "augment.grayscale": SHARE,
    "augment.mixup": (-0.1, 101, INF, NAN, "x", True, None),
    "augment.cutmix": (-0.1, 101, INF, NAN, "x", True, None),
    "model.name": TEXT,
    "model.weights": TEXT,
    "model.head": ("old", "", None, 1, True),
    "model.expand": (-1, 0.5, 1001, INF, NAN, None, "x", True),
    "model.dropout": SWITCH,
    "model.factory": ("", " ", "nothing", "a:", ":b", "a:b-c", True, []),
    "model.quantise": ("nf3", "", 4, True, []),
    "model.quantise_skip": (None, "(", ["("], "", True),
    "quantise": ("nf3", "", 4, True, []),
    "lora.family": ("lroa", "", None, 1, True, []),
    "lora.init": ("nope", "", None, 1, True, []),
    "lora.options": ("x", [1], None, 1, True, {"a": None}, {"a": [1]}, {"nope": 1}),
    "lora.rank": (*COUNT, None, 4097, 1e11),
    "lora.alpha": (0, -1, INF, NAN, None, "x", True),
    "lora.dropout": (-0.1, 1, NAN, None, "x", True),
    "lora.init_std": (0, -1, INF, NAN, "x", True),
    "lora.targets": ([], "", None, "(", ["("], [[]]),
    "lora.exclude": (None, "(", ["("], "", True),
    "lora.rank_pattern": ("x", {"a": 0}, {"a": 1e11}, {"(": 1}, {"a": "x"}, [1], None, "{"),
    "lora.alpha_pattern": ("x", {"a": 0}, {"a": INF}, {"(": 1}, [1], None),
    "lora.family_pattern": ("x", {"a": "lroa"}, {"(": "lora"}, {"a": 1}, [1], None, "{"),
    "lora.bias": ("some", "", None, 1, True, []),
    "lora.rslora": SWITCH,
    "lora.restart_every": (*COUNT, 10**10),
    "lora.restart_rank": (*COUNT, 4097),
    "lora.train_norms": SWITCH,
    "retention.anchors": (None, "", [None], [""], True, [[]]),
    "retention.generated": (-1, 0.5, 10**7, None, "auto", True),
    "retention.inverted": (-1, 0.5, 10**7, None, "many", True),
    "retention.per_step": (-1, 0.5, 10**7, None, "many", True),
    "retention.weight": (-1, INF, NAN, None, "much", True),
    "retention.temperature": (0, -1, INF, NAN, None, "x", True),
    "retention.drift": (-1, INF, NAN, None, "x", True),
    "retention.logits": (-1, INF, NAN, None, "x", True),
    "retention.views": (*COUNT, None),
    "retention.mixup": (*SHARE, None),
    "retention.root": ("", True, []),
    "retention.budget": SHARE,
    "retention.least_learned": (*SHARE, None),
    "retention.strengths": (1, *COUNT, None),
    "contrast.anchors": (None, "", [None], True),
    "contrast.generated": (-1, 0.5, None, "auto", True),
    "contrast.root": ("", True, []),
    "contrast.budget": SHARE,
    "optimizer.name": ("adamx", "torch.optim.SGD", "", None, 1, True, []),
    "optimizer.options": ("x", [1], None, 1, True, {"a": None}, {"lr": 1}, {"nope": 1}, {"betas": 1}),
    "optimizer.schedule": ("step", "", None, 1, True),
    "optimizer.class_weights": SWITCH,
    "optimizer.lr": (0, -1, INF, NAN, "fast", True),
    "optimizer.b_factor": (0, -1, INF, NAN, None, "x", True),
    "optimizer.adapter_factor": (0, -1, INF, NAN, "x", True),
    "optimizer.weight_decay": (-1, INF, NAN, None, "x"),
    "optimizer.betas": ([], [0.9], [2, 3], ["a", "b"], [0.9, 1], [-0.1, 0.9], [0.9, NAN], 0.9, None, "x"),
    "optimizer.label_smoothing": (-0.1, 1, NAN, "x", True),
    "optimizer.warmup": (-0.1, 1, NAN, None, "x", True),
    "cache.features": ("yes", 1, None, []),
    "cache.views": (*COUNT, None),
    "cache.uses": (*COUNT, None),
    "cache.memory_mb": (-1, INF, NAN, None, "x"),
    "trainer.max_steps": (*COUNT, None),
    "trainer.validations": (*COUNT, None),
    "trainer.patience": (*COUNT, "never"),
    "trainer.precision": ("8", 8, None, ""),
    "trainer.accelerator": ("banana", "tpu", "", None, 1),
    "trainer.accumulate": (*COUNT, None),
    "trainer.gradient_clip_val": (0, -1, INF, NAN, "x", True),
    "trainer.channels_last": SWITCH,
    "trainer.fold_batch_norm": SWITCH,
    "trainer.kernel": ("fastest", "", None, "no/such/kernels.json", "none.json"),
    "trainer.threads": (0, -1, 100_000, 1.5, "x", True),
    "trainer.devices": (*COUNT, None, 1025),
    "trainer.strategy": ("fsdp", "", None, 1, True),
    "trainer.reuse_memory": SWITCH,
    "trainer.progress": SWITCH,
    "trainer.checkpoint_steps": COUNT,
    "trainer.checkpoint_minutes": (-1, INF, NAN, "x", True),
    "adapter": TEXT,
    "images": TEXT,
    "folder": TEXT,
    "model": TEXT[1:],
    "weights": TEXT[1:],
    "output": ("x.txt", "x", "", True),
    "sheet": ("x.jpg", "x", "", True),
    "compare": SWITCH,
    "top_k": (*COUNT, None),
    "batch_size": (*COUNT, None),
    "devices": (*COUNT, None, 1025),
    "merged": SWITCH,
    "mirrored": SWITCH,
    "rank_curve": SWITCH,
    "adapter_weights": ([], [1, 1], [NAN], [101], 1, "x", True),
    "strength": (-1, 101, NAN, None, True, "", [1], []),
    "evaluate strength": (-1, 101, NAN, None, True, "", "x", "1:0:1", "0:1:0", "0:1", "0:200:1", []),
    "figure": ("x.jpg", "x", "x.png", "", True),
    "adapters": ([], "run", None, 1, True, [1.5, True], [""]),
    "method": ("mean", "", None, 1, True),
    "combine weights": ([], [1], [1, 2, 3], [NAN, 1], 1, "x", True),
    "combine rank": (*COUNT, None, 4097),
    "combine output": TEXT,
    "density": (0, -1, 1.1, NAN, None, "x", True),
    "base": TEXT[1:],
    "extract base": TEXT,
    "extract model": TEXT,
    "tuned": TEXT,
    "extract rank": (0, -1, 1.5, 4097, None, "", "all", True),
    "extract output": TEXT,
    "source": TEXT,
    "to": ("diffusers", "", None, 1, True),
    "convert output": TEXT,
    "alpha": (0, -1, INF, NAN, "x", True),
    "strays": ("yes", 1, None, [True]),
    "report": ("x.pdf", "x", "", True),
    "cache": SWITCH,
    "sort": ("colour", "", None, 1, True),
    "filter": TEXT[1:],
    "repo": TEXT,
    "licence": ("", "a b", "x\ny", True, []),
    "private": SWITCH,
    "precision": ("8", 8, None, "half", True),
    "preprocess": ("some", 1, None, "", True),
    "calibration": TEXT[1:],
}  # fmt: skip

CASES = [(name, key) for name, command in COMMANDS.items() for key in keys_of(command.options)]


def built(command: str, key: str, value: Any) -> Any:
    """The options of a command with one value set."""
    values = {name: dict(one) if isinstance(one, dict) else one for name, one in REQUIRED[command].items()}
    section, _, word = key.rpartition(".")
    (values.setdefault(section, {}) if section else values)[word] = value
    return build(COMMANDS[command].options, values)


@pytest.mark.parametrize(("command", "key"), CASES)
def test_a_bad_value_is_refused_with_the_name_of_its_key(command: str, key: str) -> None:
    refused_values = REFUSED.get(f"{command} {key}", REFUSED.get(key, ()))
    assert refused_values, f"{key} has no entry in REFUSED"
    if keys_of(COMMANDS[command].options)[key].default is None:  # then null is a value
        refused_values = tuple(value for value in refused_values if value is not None)
    for value in refused_values:
        with pytest.raises(VisionLoraError) as refused:
            built(command, key, value)
        message = str(refused.value)
        assert message.startswith(key), (value, message)
        assert "\n" not in message and len(message) < 400


@pytest.mark.parametrize(("command", "key"), CASES)
def test_a_default_is_accepted_and_has_a_line_of_help(command: str, key: str) -> None:
    one = keys_of(COMMANDS[command].options)[key]
    assert 0 < len(one.rule.help) <= 100
    if one.default != "???":
        built(command, key, one.default)


NASTY_TEXTS = (
    "auto", "null", "???", "nan", "1e400", "~", "${x}", "[", "(", "\\", "/", "a/b.json", ".csv", "{", "- : {"
)  # fmt: skip
SCALARS = st.one_of(st.integers(), st.floats(), st.text(max_size=9), st.none(), st.booleans())
NASTY = st.one_of(
    SCALARS,
    st.integers(-(10**320), 10**320),
    st.sampled_from(NASTY_TEXTS),
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.text(max_size=5), SCALARS, max_size=2),
)


@pytest.mark.parametrize(("command", "key"), CASES)
@settings(max_examples=30, deadline=None)
@given(value=NASTY)
def test_no_value_ends_in_anything_but_a_one_line_error(command: str, key: str, value: Any) -> None:
    try:
        built(command, key, value)
    except VisionLoraError as error:
        assert str(error).startswith(key)


@pytest.mark.parametrize("section", ["data", "lora", "trainer"])
@pytest.mark.parametrize("value", [None, 3, "x", [1]])
def test_a_section_that_is_no_section_is_refused(section: str, value: Any) -> None:
    with pytest.raises(VisionLoraError, match=rf"^{section} is .*{section}\.KEY"):
        build(RunConfig, {"data": {"root": "x"}, section: value})


@pytest.mark.parametrize("key", ["data.root", "data.class_name", "retention.root", "model.weights"])
def test_a_number_is_taken_as_text_where_text_is_wanted(key: str) -> None:
    section, word = key.split(".")
    assert getattr(getattr(built("train", key, 2024), section), word) == "2024"


def test_numbers_in_lists_of_paths_are_names() -> None:
    assert RetentionConfig(anchors=[1]).anchors == ("1",)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("command", "key", "value"),
    [
        ("predict", "output", "x.CSV"), ("predict", "output", "x.JsonL"), ("predict", "sheet", "x.PNG"),
        ("evaluate", "output", "x.JSON"),
        ("merge", "output", "x.SafeTensors"), ("explain", "output", "x.JSON"),
    ],
)  # fmt: skip
def test_suffixes_count_in_any_case(command: str, key: str, value: str) -> None:
    assert getattr(built(command, key, value), key) == value


def test_a_home_folder_is_expanded_in_paths_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("USERPROFILE", "/home/someone")
    run = build(
        RunConfig, {"data": {"root": "~/pics (1)", "class_name": "~"}, "retention": {"anchors": ["~/a"]}}
    )
    assert run.data.root == "/home/someone/pics (1)"
    assert run.data.class_name == "~"
    assert run.retention.anchors == ("/home/someone/a",)


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert TrainerConfig(max_steps=1e3).max_steps == 1000  # type: ignore[arg-type]
    assert isinstance(TrainerConfig(max_steps=1e3).max_steps, int)  # type: ignore[arg-type]


def test_where_a_float_is_wanted_a_whole_number_is_one() -> None:
    config = AugmentConfig(mixup=1, cutmix=2, crop_scale=(1, 1))
    for number in (config.mixup, config.cutmix, *config.crop_scale, RetentionConfig(weight=1).weight):
        assert isinstance(number, float)
    mixed, labels = BatchMixing(config.mixup, config.cutmix, 3, 0)(
        torch.ones(2, 3, 8, 8), torch.tensor([0, 2]), 0
    )
    assert mixed.shape == (2, 3, 8, 8)
    assert labels.sum(1).tolist() == pytest.approx([1, 1])


def test_a_kernel_is_a_rule_a_name_or_a_file_that_exists(tmp_path: Path) -> None:
    (tmp_path / "kernels.json").write_text("{}")
    assert TrainerConfig(kernel=str(tmp_path / "kernels.json")).kernel.endswith("kernels.json")
    assert TrainerConfig(kernel="low_rank").kernel == "low_rank"


def test_a_mapping_may_be_written_as_text() -> None:
    assert built("train", "lora.rank_pattern", "{(a|b)$: 3}").lora.rank_pattern == {"(a|b)$": 3}


def test_nothing_may_be_held_out() -> None:
    assert DataConfig(root="x", val_fraction=0).val_fraction == 0


def test_a_misspelt_key_of_a_preset_gets_the_right_spelling() -> None:
    with pytest.raises(VisionLoraError, match=r"'lora\.rnak'; did you mean lora\.rank"):
        build(RunConfig, {"data": {"root": "x"}, "lora": {"rnak": 4}})


def test_a_missing_value_says_what_to_set() -> None:
    with pytest.raises(VisionLoraError, match=r"data\.root has no value; set data\.root="):
        build(RunConfig, {})


def test_every_section_of_a_run_is_checked_when_it_is_built_by_hand() -> None:
    with pytest.raises(ValueError, match="batch_size is 0; it takes a whole number from 1 to 65,536"):
        DataConfig(root="x", batch_size=0)


@given(st.integers(-5, 5), st.integers(-5, 5), st.floats(-10, 10))
def test_bounds_are_closed_where_they_say_so(low: int, high: int, number: float) -> None:
    closed, open_ = Rule(at_least=low, at_most=high), Rule(above=low, below=high)
    assert closed.allows(number) == (low <= number <= high)
    assert open_.allows(number) == (low < number < high)


def test_the_first_type_that_fits_decides() -> None:
    assert checked("key", 5, int | str, Rule(words=("auto",))) == 5
    assert checked("key", "auto", int | str, Rule(words=("auto",))) == "auto"
    with pytest.raises(ValueError, match="key is '5'; it takes a whole number or auto"):
        checked("key", "5", int | str, Rule(words=("auto",)))
