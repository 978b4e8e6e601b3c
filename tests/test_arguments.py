"""The command line: text is taken verbatim, and a mistake is found before Hydra sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from tests.conftest import Command as RunCommand
from visionlora.arguments import Arguments
from visionlora.command import Command, compose
from visionlora.errors import VisionLoraError
from visionlora.explain import COMMAND as EXPLAIN
from visionlora.predict import COMMAND as PREDICT
from visionlora.settings import groups_of, keys_of, plain
from visionlora.train import COMMAND as TRAIN
from visionlora.training.config import read_config

KEYS, GROUPS = keys_of(TRAIN.options), tuple(groups_of(TRAIN.options))

TYPED = (
    "~/pics (1)", "Käfer, Ölbilder", "it's", "a=b", "#1", "$HOME/x", "${HOME}", "\\${a}", "\\\\${a}\\", "{x}",
    "[y]", "%d", "a\\", "C:\\new folder\\", "'quoted'",
    '"a"', "'", '"', "a: b", "1_000", "007", "1e3", "True", "nan", "a,b",
    "choice(a,b)", "!", "a;b|c", "*.jpg", "图片", "-m", "+x", "@", "a\tb", " a ", "${", "}",
)  # fmt: skip


TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    st.text("\\${}'\"a, ", min_size=1),
)


def arguments(*given: str, command: Command = TRAIN) -> list[str]:
    return Arguments(keys_of(command.options), tuple(groups_of(command.options)), given).for_hydra()


def value_of(word: str) -> Any:
    """What a word for Hydra stands for, as a run would read it."""
    parsed = OverridesParser.create().parse_override(word)
    assert not parsed.is_sweep_override()
    return OmegaConf.create({"value": parsed.value()})["value"]


@pytest.mark.parametrize(
    "key", ["data.root", "data.class_name", "retention.root", "model.weights", "resume.run"]
)
@pytest.mark.parametrize("text", TYPED)
def test_paths_and_free_text_are_taken_verbatim(key: str, text: str) -> None:
    assert value_of(*arguments(f"{key}={text}")) == text


@given(TEXTS)
@example("\\${")
@example("a${b}\\")
@example("\\'")
def test_any_text_is_taken_verbatim(text: str) -> None:
    if text not in ("null", "???"):
        assert value_of(*arguments(f"data.root={text}")) == text


@pytest.mark.parametrize("text", TYPED)
def test_what_is_typed_reaches_a_run_with_its_home_folder_expanded(text: str) -> None:
    config = compose(TRAIN, [f"data.root={text}", f"retention.anchors={text}"])
    root = read_config(config).data.root
    assert root == (str(Path(text).expanduser()) if text.startswith("~") else text)


def test_a_list_of_paths_is_split_at_commas_alone() -> None:
    (word,) = arguments("retention.anchors=[~/a (1), it's, {x}, 'b, c']")
    assert value_of(word) == ["~/a (1)", "it's", "{x}", "b, c"]
    assert value_of(*arguments("retention.anchors=[]")) == []
    assert value_of(*arguments("lora.targets=[conv, layer[34].*]")) == ["conv", "layer[34].*"]


@pytest.mark.parametrize(
    "pattern", [r"features\.(0|2)", "layer[34].conv1", "a{1,2}", "^(conv|fc)$", "last:2"]
)
def test_a_pattern_of_layers_is_taken_verbatim(pattern: str) -> None:
    assert value_of(*arguments(f"lora.targets={pattern}")) == pattern


def test_null_is_no_text() -> None:
    assert arguments("data.class_name=null") == ["data.class_name=null"]


def test_a_value_that_hydra_cannot_parse_is_left_to_its_option() -> None:
    assert value_of(*arguments("lora.rank=4)")) == "4)"
    assert value_of(*arguments("optimizer.lr=[1")) == "[1"


def test_in_a_sweep_a_comma_separates_values_but_not_in_paths_and_free_text() -> None:
    swept = arguments(
        "-m", "lora.rank=1,2", "model=vgg11,resnet18", "data.root=a, b (1)", "lora.targets=all,conv"
    )
    assert swept == [
        "-m", "lora.rank=1,2", "model.name=vgg11,resnet18", "data.root='a, b (1)'", "lora.targets=all,conv",
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["[~/a (1)]", "~/a (1)", "[a,b]", "[]"])
def test_in_a_sweep_a_single_list_or_path_is_taken_verbatim(value: str) -> None:
    assert arguments("-m", f"retention.anchors={value}")[1:] == arguments(f"retention.anchors={value}")


def test_lists_can_be_swept() -> None:
    _, word = arguments("-m", "retention.anchors=[a],[b]")
    parsed = OverridesParser.create().parse_override(word)
    assert list(parsed.sweep_string_iterator()) == ["[a]", "[b]"]


@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"])
@pytest.mark.parametrize("text", [text for text in TYPED if "${" not in text])
def test_the_folder_of_a_run_is_taken_verbatim(key: str, text: str) -> None:
    folder = str(Path(text).expanduser()) if text.startswith("~") else text
    assert value_of(*arguments(f"{key}={text}")) == folder
    assert value_of(arguments("-m", f"{key}={text}")[-1]) == folder


def test_the_folder_of_a_run_keeps_the_references_of_hydra() -> None:
    (word,) = arguments("hydra.run.dir=runs, (1)/${data.name} ~")
    value = OverridesParser.create().parse_override(word).value()
    assert OmegaConf.create({"dir": value, "data": {"name": "mine"}})["dir"] == "runs, (1)/mine ~"
    assert value_of(*arguments("hydra.output_subdir=null")) is None
    assert value_of(*arguments("hydra.run.dir=~nobody-of-that-name/x")) == "~nobody-of-that-name/x"


def test_the_folder_of_a_run_may_be_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("USERPROFILE", "/home/someone")
    assert value_of(*arguments("hydra.run.dir=~/my runs (1)")) == "/home/someone/my runs (1)"


def test_a_choice_sweeps_over_paths() -> None:
    _, word = arguments("--multirun", "data.root=choice(~/a (1), b's, 'c, d')")
    parsed = OverridesParser.create().parse_override(word)
    for swept, text in zip(parsed.sweep_string_iterator(), ["~/a (1)", "b's", "c, d"], strict=True):
        assert value_of(f"data.root={swept}") == text


@pytest.mark.parametrize(
    "word", ["lora.rank=1,2", "lora.rank=range(1,3)", "data=goldfish,folder", "model=vgg11,vgg13"]
)
def test_several_values_without_a_sweep_say_how_to_sweep(word: str, command: Any) -> None:
    left = command("train", "data.root=x", word)
    assert left.code == 2
    assert left.err.count("\n") == 1 and "-m" in left.err and "several values" in left.err


@pytest.mark.parametrize("command", [TRAIN, EXPLAIN])
@pytest.mark.parametrize("name", ["vgg19", "resnet34", "pocket", "auto", "no_such_network"])
def test_a_model_needs_no_preset(command: Command, name: str) -> None:
    assert arguments(f"model={name}", command=command)[0].startswith("model.name=")


def test_a_preset_of_a_model_goes_before_a_network_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "vgg19.yaml").write_text("name: vgg19\nhead: new\n")
    given = ["--config-dir", str(tmp_path), "model=vgg19"]
    assert arguments(*given)[-1] == "model=vgg19"
    assert arguments(f"--config-dir={tmp_path}", "model=vgg19")[-1] == "model=vgg19"


def test_the_model_of_an_adapter_is_no_group() -> None:
    assert arguments("model=vgg19", command=PREDICT) == ["model='vgg19'"]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--rank", "4"], "lora.rank=4"),
        (["--rank=4"], "lora.rank=4"),
        (["-lr", "1e-3"], "optimizer.lr=1e-3"),
        (["--batch-size", "8"], "data.batch_size=8"),
        (["lr=1e-3"], "optimizer.lr=1e-3"),
        (["learning_rate=1e-3"], "optimizer.lr=1e-3"),
        (["epochs=3"], "trainer.max_steps=3"),
        (["device=cpu"], "trainer.accelerator=cpu"),
        (["lora.r=4"], "lora.rank=4"),
        (["lora.rnak=4"], "lora.rank=4"),
        (["lroa.rank=4"], "lora.rank=4"),
        (["data.rooot=x"], "data.root=x"),
        (["root=x"], "data.root=x or retention.root=x or contrast.root=x"),
        (["dtaa=goldfish"], "data=goldfish"),
        (["+strange.rank=1"], "lora.rank=1"),
        (["data=my_images"], "data.root=my_images"),
        (["lora=4"], "--help lora"),
        (["lora.strange=4"], "--help lora"),
        (["zzz=4"], "--help"),
        (["data.root=my", "pics"], "'data.root=my pics'"),
        (["goldfish"], "data=goldfish"),
        (["my_images"], "data.root=my_images"),
        (["~lora"], "'~lora' is not KEY=VALUE"),
        (["augment=nothing"], "augment=none"),
    ],
)
def test_a_near_miss_gets_the_right_spelling(words: list[str], meant: str) -> None:
    with pytest.raises(VisionLoraError) as refused:
        arguments(*words)
    assert meant in str(refused.value)
    assert "\n" not in str(refused.value)


def test_flags_of_hydra_are_passed_on_with_their_values() -> None:
    given = ["--cfg", "job", "-cd", "some folder", "--multirun", "hydra.run.dir='out'", "seed=1"]
    assert arguments(*(word.replace("'out'", "out") for word in given)) == given


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--info", "WRONG"], "--info takes one of all, config, "),
        (["-i=WRONG"], "-i takes one of all, config, "),
        (["--cfg=WRONG"], "--cfg takes one of job, hydra, all, not 'WRONG'"),
        (["-c"], "-c takes one of job, hydra, all, not ''"),
        (["--config-dir="], "--config-dir takes a value, not ''"),
        (["--experimental-rerun", "run.pickle"], "there is no option --experimental-rerun"),
        (["--package=lora"], "there is no option --package"),
    ],
)
def test_a_flag_with_a_wrong_value_is_refused_in_one_line(words: list[str], said: str, command: Any) -> None:
    left = command("train", *words)
    assert left.code == 2
    assert left.err.startswith(f"error: {said}") and left.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        (["--info"], ["--info"]),
        (["-i", "seed=1"], ["-i", "seed=1"]),
        (["--info", "-m"], ["--info", "-m"]),
        (["--info", "searchpath", "seed=1"], ["--info", "searchpath", "seed=1"]),
        (["seed=1", "--info=plugins"], ["--info", "plugins", "seed=1"]),
    ],
)
def test_info_alone_tells_all(words: list[str], passed: list[str]) -> None:
    assert arguments(*words) == passed


def test_the_shell_completes_commands_and_keys(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = command("-sc", "install=bash")
    assert installed.code == 0
    assert installed.out.rstrip().endswith("hydra_bash_completion visionlora")
    for line, expected in (
        ("visionlora ", "predict"),
        ("visionlora train lora.r", "lora.rank="),
        ("visionlora predict im", "images="),
        ("visionlora train data=", "data=goldfish"),
        ("visionlora explain model.n", "model.name="),
    ):
        monkeypatch.setenv("COMP_LINE", line)
        assert expected in command("-sc", "query=bash").out.split()


def test_a_key_that_another_command_has_is_refused() -> None:
    with pytest.raises(VisionLoraError, match="contrast"):
        arguments("contrast.root=x", command=PREDICT)


def composed(*given: str) -> DictConfig:
    return compose(TRAIN, given)


def test_goldfish_bring_their_own_negatives_and_the_command_line_wins() -> None:
    shipped = read_config(composed("data=goldfish"))
    assert shipped.contrast.anchors[0].endswith("contrast/anchor")
    assert str(shipped.contrast.root).endswith("contrast/val")
    given = read_config(composed("data=goldfish", "contrast.root=X", "contrast.anchors=auto", "data.name=n"))
    assert (given.contrast.root, given.contrast.anchors, given.data.name) == ("X", "auto", "n")


@pytest.mark.parametrize(
    "words",
    [
        ["lora.options={factor: 4}", "lora.rank_pattern={fc: 2}"],
        ["lora.options={factor:4}", "lora.rank_pattern={'fc':2}"],
        ["lora.options.factor=4", "lora.rank_pattern.fc=2"],
        ["+lora.options.factor=4", "++lora.rank_pattern.fc=2"],
    ],
)
def test_a_mapping_is_given_whole_or_by_key(words: list[str]) -> None:
    lora = read_config(composed("data.root=x", "lora.family=lokr", *words)).lora
    assert (dict(lora.options), dict(lora.rank_pattern)) == ({"factor": 4}, {"fc": 2})


def test_presets_hold_no_second_copy_of_a_default() -> None:
    config = plain(composed("data.root=x"))
    assert build_again(config) == config


def build_again(config: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"data": {}}
    for name, key in KEYS.items():
        section, _, word = name.rpartition(".")
        value = "x" if name == "data.root" else key.default
        value = list(value) if isinstance(value, tuple) else value
        (defaults.setdefault(section, {}) if section else defaults)[word] = value
    return defaults


def test_flags_may_stand_between_settings() -> None:
    given = ["data.root=x", "-m", "lora.rank=1,2", "--cfg", "job", "seed=1"]
    words = Arguments(keys_of(TRAIN.options), tuple(groups_of(TRAIN.options)), given).for_hydra()
    assert words[:3] == ["-m", "--cfg", "job"]
    assert [word.partition("=")[0] for word in words[3:]] == ["data.root", "lora.rank", "seed"]


@pytest.mark.parametrize("words", [("output=m.pth",), ("output=choice(a.pth, b.pth)", "strength=0,1")])
def test_runs_of_a_sweep_do_not_write_over_the_file_of_the_one_before(
    command: RunCommand, words: tuple[str, ...]
) -> None:
    left = command("merge", "-m", "adapter=x", "strength=0,1", *words)
    assert left.code == 2 and left.out == ""
    assert "-m: each run would write over the output=" in left.err
