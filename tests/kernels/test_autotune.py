"""The fastest implementation is timed once and remembered; nothing about the cache file can break a run."""

from __future__ import annotations

import json
import time

import pytest
import torch

from tests.adapters.cases import a_conv, results
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import LayerTensors, autotune, candidates, decisions, tensors
from visionlora.kernels.autotune import choose, forget, implementation, recorded, replay
from visionlora.kernels.decisions import parse
from visionlora.kernels.matmul import MatrixProduct

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache directory, and nothing remembered before or after; the machine counts as idle."""
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(autotune, "_UNDISTURBED", -1.0)
    before = dict(autotune._timed)
    decisions.cache_file.cache_clear()
    decisions._warned.clear()
    forget()
    yield tmp_path / "cache"
    decisions.cache_file.cache_clear()
    forget()
    autotune._timed.update(before)


class Candidates:
    """Two implementations of which one takes longer; counts what was run."""

    def __init__(self):
        self.runs = []

    def choose(self, key="layer", rule="slow", work=1e9):
        return choose("product", key, ["slow", "fast"], self._run, rule, work, CPU)

    def _run(self, name):
        self.runs.append(name)
        time.sleep(0.004 if name == "slow" else 0.0)


def cache_file(cache):
    (file,) = cache.iterdir()
    return file


def entries(cache):
    return json.loads(cache_file(cache).read_text())


def test_the_fastest_candidate_is_timed_once():
    timed = Candidates()
    assert timed.choose() == "fast"
    assert set(timed.runs) == {"slow", "fast"}
    timed.runs.clear()
    assert timed.choose() == "fast"
    assert timed.runs == []


def test_one_run_that_the_machine_disturbs_decides_nothing(monkeypatch):
    """The first timed run of the faster candidate takes a hundred times its time."""
    timed = Candidates()
    first = iter([0.001, 0.1])

    def seconds(run, device):
        run()
        return next(first, 0.0001 if timed.runs[-1] == "fast" else 0.001)

    monkeypatch.setattr(autotune, "timed", seconds)
    assert timed.choose() == "fast"


def test_a_candidate_that_loses_by_far_is_not_timed_to_the_end():
    timed = Candidates()
    timed.choose()
    assert timed.runs.count("slow") == 3  # once untimed, twice timed


def test_candidates_that_are_equally_fast_leave_it_to_the_rule(monkeypatch):
    monkeypatch.setattr(autotune, "timed", lambda run, device: 0.001)
    assert Candidates().choose(rule="slow") == "slow"
    forget()
    assert Candidates().choose("another", rule="fast") == "fast"


def test_another_process_reads_what_was_timed(cache):
    Candidates().choose()
    assert [entry["implementation"] for entry in entries(cache).values()] == ["fast"]
    forget()
    timed = Candidates()
    assert timed.choose() == "fast"
    assert timed.runs == []


def test_timings_of_a_busy_machine_are_used_and_not_kept_for_the_next_run(cache, monkeypatch):
    monkeypatch.setattr(autotune, "_UNDISTURBED", 0.9)
    assert Candidates().choose() == "fast"  # they sleep: this thread had the processor for none of the time
    assert not cache.exists()
    again = Candidates()
    assert again.choose() == "fast" and not again.runs
    forget()
    again.choose()
    assert again.runs


def test_what_another_process_wrote_meanwhile_is_kept(cache):
    Candidates().choose("one")
    forget()
    Candidates().choose("two")
    assert {key.split(",")[0] for key in entries(cache)} == {"product: one", "product: two"}
    assert [file.suffix for file in cache.iterdir()] == [".json"]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"layer": {}}', '{"layer": {"implementation": 1}}', "\x00"]
)
def test_a_damaged_file_is_reported_and_replaced(cache, damage):
    Candidates().choose()
    file = cache_file(cache)
    file.write_text(damage)
    forget()
    with pytest.warns(UserWarning, match="damaged"):
        assert Candidates().choose() == "fast"
    assert [entry["implementation"] for entry in entries(cache).values()] == ["fast"]


def test_a_decision_without_one_of_todays_candidates_is_timed_again(cache):
    Candidates().choose()
    file = cache_file(cache)
    file.write_text(file.read_text().replace("slow", "removed"))
    forget()
    timed = Candidates()
    assert timed.choose() == "fast"
    assert timed.runs


def test_a_directory_that_cannot_be_written_is_reported_once_and_breaks_nothing(cache):
    cache.parent.joinpath("cache").write_text("a file in place of the directory")
    with pytest.warns(UserWarning, match="not kept"):
        assert Candidates().choose("one") == "fast"
    assert Candidates().choose("two") == "fast"


def test_an_empty_variable_turns_the_file_off(cache, monkeypatch):
    monkeypatch.setenv("VISIONLORA_CACHE", "")
    decisions.cache_file.cache_clear()
    assert Candidates().choose() == "fast"
    assert not cache.exists()


def test_limits_on_the_instruction_set_have_a_cache_file_of_their_own(monkeypatch):
    before = decisions.cache_file("cpu")
    decisions.cache_file.cache_clear()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert decisions.cache_file("cpu") != before


def test_little_work_is_decided_by_the_rule(cache):
    timed = Candidates()
    assert timed.choose(work=1e3) == "slow"
    assert timed.runs == []
    assert not cache.exists()


def test_an_implementation_can_be_chosen_by_name():
    timed = Candidates()
    with implementation("slow"):
        assert timed.choose(rule="fast") == "slow"
        with implementation("rule"):
            assert timed.choose(rule="fast") == "fast"
        with implementation("something that other layers can do"):
            assert timed.choose(rule="slow") == "slow"
    assert timed.runs == []


def test_deterministic_algorithms_mean_the_rule(monkeypatch):
    timed = Candidates()
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert timed.choose(rule="slow") == "slow"
    assert timed.runs == []


def test_another_number_of_threads_is_another_decision(cache):
    Candidates().choose()
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        timed = Candidates()
        timed.choose()
    finally:
        torch.set_num_threads(before)
    assert timed.runs
    assert len(entries(cache)) == 2


def test_a_request_is_decided_once_for_each_setting():
    asked = []

    def decide():
        asked.append(None)
        return Candidates().choose()

    for _ in range(3):
        assert autotune.remembered("layer", decide) == "fast"
    assert len(asked) == 1
    with implementation("slow"):
        assert autotune.remembered("layer", decide) == "slow"
    assert autotune.remembered("layer", decide) == "fast"
    assert len(asked) == 2


def test_decisions_are_recorded_timed_or_not():
    timed = Candidates()
    with recorded() as decided:
        timed.choose("heavy")
        timed.choose("light", work=1)
        with implementation("fast"):
            timed.choose("by name")
    timed.choose("afterwards")
    assert {key: decision["implementation"] for key, decision in decided.items()} == {
        "product: heavy": "fast",
        "product: light": "slow",
        "product: by name": "fast",
    }
    assert set(decided["product: heavy"]["seconds"]) == {"slow", "fast"}
    assert not decided["product: light"]["seconds"]


def test_decisions_that_were_made_before_are_recorded_when_they_are_used():
    autotune.remembered("layer", lambda: Candidates().choose())
    with recorded() as decided:
        autotune.remembered("layer", lambda: Candidates().choose())
    assert list(decided) == ["product: layer"]


def test_recorded_decisions_are_replayed_without_timing_after_a_detour_through_json():
    case = a_conv((64, 64), size=16)
    with implementation("full"), recorded() as decided:
        expected = results(case.compute, case)
    forget()
    with replay(parse(json.loads(json.dumps(decided)))) as missing, recorded() as again:
        replayed = results(case.compute, case)
    assert missing == []
    assert again == decided
    assert all(torch.equal(a, b) for a, b in zip(replayed, expected, strict=True))


def test_decisions_that_are_missing_or_impossible_are_made_by_the_rule_and_reported():
    timed = Candidates()
    with recorded() as decided:
        timed.choose("one")
        timed.choose("two")
    decided["product: two"]["implementation"] = "removed"
    timed.runs.clear()
    with replay(decided) as missing:
        assert timed.choose("one") == "fast"
        assert timed.choose("two") == "slow"
        assert timed.choose("three") == "slow"
        assert timed.choose("three") == "slow"
    assert missing == ["product: two", "product: three"]
    assert timed.runs == []


def test_a_file_that_holds_no_decisions_is_refused_with_the_entry_that_is_wrong():
    with pytest.raises(ValueError, match="layer 3"):
        parse({"layer 3": {"implementation": "full"}})
    with pytest.raises(ValueError, match="not an object"):
        parse([])


def test_no_merged_weight_is_made_to_time_a_layer_that_only_the_branch_is_for(monkeypatch):
    """At VGG19's first linear layer it would be 411 MB above everything that training itself needs."""
    monkeypatch.setattr(tensors, "merged_weight", None)
    x = torch.randn(2, 2048, requires_grad=True)
    layer = a_linear(2048, 1024)
    product, _ = candidates.implementations(x, layer, MatrixProduct(False))
    assert product == "branch"


def a_linear(inputs, outputs, rank=4):
    return LayerTensors(
        DenseWeight(torch.randn(outputs, inputs)),
        None,
        torch.randn(rank, inputs),
        torch.randn(outputs, rank),
        1.0,
    )


def test_what_a_candidate_decides_while_it_is_timed_is_recorded_where_it_is_used():
    """Otherwise a record would depend on whether the timings were known before."""

    def run(name):
        autotune.remembered("inner", lambda: Candidates().choose("inner"))

    def outer():
        return choose("whole", "layer", ["slow", "fast"], run, "slow", 1e9, CPU)

    with recorded() as first:
        outer()
    with recorded() as again:
        outer()
    assert list(first) == list(again) == ["whole: layer"]
    with recorded() as used:
        run("fast")
    assert list(used) == ["product: inner"]
