"""The fastest way is measured once and remembered; nothing about the cache file can break a run."""

from __future__ import annotations

import json
import time

import pytest
import torch

from visionlora.kernels import autotune as choices
from visionlora.kernels import candidates as ways
from visionlora.kernels import matmul as rows
from visionlora.kernels import merge as merging
from visionlora.kernels.autotune import choice, choose, chosen, forget, noted

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache directory, and nothing remembered before or after."""
    monkeypatch.setenv("VISIONLORA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choices, "_CALM", 0.0)
    before = chosen()
    choices._cache_file.cache_clear()
    choices._warn_unwritable.cache_clear()
    forget()
    yield tmp_path / "cache"
    choices._cache_file.cache_clear()
    forget()
    choices._decisions.update(before)


class Ways:
    """Two ways of which one takes longer; counts what was run."""

    def __init__(self):
        self.runs = []

    def decide(self, key="layer"):
        """Until nothing is in doubt."""
        self.pick(key)
        return self.pick(key)

    def pick(self, key="layer", rule="slow", work=1e9):
        ways = {"slow": lambda: self._run("slow", 0.004), "fast": lambda: self._run("fast", 0.0)}
        return choose(key, ways, rule, work, CPU)

    def _run(self, name, seconds):
        self.runs.append(name)
        time.sleep(seconds)


def cache_file(cache):
    (file,) = cache.iterdir()
    return file


def entries(cache):
    return json.loads(cache_file(cache).read_text())


def test_the_fastest_way_is_measured_and_one_that_lost_by_far_once_more():
    ways = Ways()
    assert ways.pick() == "fast"
    assert set(ways.runs) == {"slow", "fast"}
    ways.runs.clear()
    assert ways.pick() == "fast"
    assert ways.runs == ["slow"]
    ways.runs.clear()
    assert ways.pick() == "fast"
    assert ways.runs == []
    (decision,) = chosen().values()
    assert decision.seconds["fast"] < decision.seconds["slow"]


def disturb(monkeypatch, ways, *seconds):
    """The first runs take these times, later ones a ten-thousandth of a second or, of the slow way, ten."""
    first = iter(seconds)

    def timed(run, device):
        run()
        return next(first, 0.0001 if ways.runs[-1] == "fast" else 0.001)

    monkeypatch.setattr(choices, "timed", timed)


def test_a_single_run_that_the_machine_disturbs_decides_nothing(monkeypatch):
    """The first run of the faster way that counts takes a hundred times its time."""
    ways = Ways()
    disturb(monkeypatch, ways, 0.001, 0.001, 0.001, 0.1)
    assert ways.pick() == "fast"


def test_a_machine_that_is_busy_while_a_way_is_measured_decides_nothing_for_good(monkeypatch, cache):
    """Both counted runs of the faster way take a hundred times their time; a little later it does not."""
    ways = Ways()
    disturb(monkeypatch, ways, 0.001, 0.001, 0.001, 0.1, 0.001, 0.1)
    assert ways.pick() == "slow"
    assert not cache.exists()
    assert ways.pick() == "fast"
    assert [entry["way"] for entry in entries(cache).values()] == ["fast"]


def test_a_way_that_lost_by_far_is_not_tried_again_at_once(monkeypatch):
    monkeypatch.setattr(choices, "_CALM", 60.0)
    ways = Ways()
    ways.pick()
    ways.runs.clear()
    ways.pick()
    assert ways.runs == []


def test_what_is_asked_again_is_settled_once_nothing_is_in_doubt():
    ways, asked = Ways(), []
    for _ in range(4):
        choices.settled("layer", lambda: asked.append(None) or ways.pick())
    assert len(asked) == 2 and ways.runs[-1] == "slow"


def test_a_doubt_that_nobody_asks_about_again_keeps_nothing_else_from_being_settled():
    Ways().pick("another layer, once")
    ways, asked = Ways(), []
    for _ in range(4):
        choices.settled("layer", lambda: asked.append(None) or ways.pick())
    assert len(asked) == 2


def test_another_process_reads_what_was_measured(cache):
    Ways().decide()
    assert [entry["way"] for entry in entries(cache).values()] == ["fast"]
    forget()
    ways = Ways()
    assert ways.pick() == "fast"
    assert ways.runs == []


def test_what_another_process_wrote_meanwhile_is_kept(cache):
    Ways().decide("one")
    forget()
    Ways().decide("two")
    assert {key.split(",")[0] for key in entries(cache)} == {"one", "two"}
    assert [file.suffix for file in cache.iterdir()] == [".json"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"layer": {}}', '{"layer": {"way": 1}}', "\x00"])
def test_a_damaged_file_is_reported_and_replaced(cache, damage):
    Ways().decide()
    file = cache_file(cache)
    file.write_text(damage)
    forget()
    with pytest.warns(UserWarning, match="damaged"):
        assert Ways().decide() == "fast"
    assert [entry["way"] for entry in entries(cache).values()] == ["fast"]


def test_a_way_that_no_longer_exists_is_measured_anew(cache):
    Ways().decide()
    file = cache_file(cache)
    file.write_text(file.read_text().replace("fast", "forgotten"))
    forget()
    assert Ways().decide() == "fast"


def test_a_directory_that_cant_be_written_is_reported_once_and_nothing_else(cache):
    cache.parent.joinpath("cache").write_text("a file is in the way")
    with pytest.warns(UserWarning, match="not remembered"):
        assert Ways().decide("one") == "fast"
    assert Ways().decide("two") == "fast"


def test_an_empty_variable_turns_the_file_off(cache, monkeypatch):
    monkeypatch.setenv("VISIONLORA_CACHE", "")
    choices._cache_file.cache_clear()
    assert Ways().pick() == "fast"
    assert not cache.exists()


def test_little_work_is_decided_by_rule(cache):
    ways = Ways()
    assert ways.pick(work=1e3) == "slow"
    assert ways.runs == []
    assert not cache.exists()


def test_a_way_can_be_fixed_by_hand():
    ways = Ways()
    with choice("slow"):
        assert ways.pick(rule="fast") == "slow"
        with choice("rule"):
            assert ways.pick(rule="fast") == "fast"
        with choice("something that other layers can do"):
            assert ways.pick(rule="slow") == "slow"
    assert ways.runs == []


def test_deterministic_algorithms_mean_the_rule(monkeypatch):
    ways = Ways()
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert ways.pick(rule="slow") == "slow"
    assert ways.runs == []


def test_another_number_of_threads_is_another_decision(cache):
    Ways().decide()
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        ways = Ways()
        ways.decide()
    finally:
        torch.set_num_threads(before)
    assert ways.runs
    assert len(entries(cache)) == 2


def test_choices_are_noted_as_they_are_made_timed_or_not():
    ways = Ways()
    with noted() as notes:
        ways.pick("heavy")
        ways.pick("light", work=1)
        with choice("fast"):
            ways.pick("by hand")
    ways.pick("afterwards")
    assert [(key.split(",")[0], decision.way) for key, decision in notes] == [
        ("heavy", "fast"),
        ("light", "slow"),
        ("by hand", "fast"),
    ]
    assert set(notes[0][1].seconds) == {"slow", "fast"}
    assert not notes[1][1].seconds and not notes[2][1].seconds


def test_no_merged_weight_is_made_to_time_a_layer_that_only_the_branch_is_for(monkeypatch):
    """At VGG19's first linear layer it would be 411 MB above everything that training itself needs."""
    made = []

    def ready_weight(product, *arguments):
        made.append(product)
        return merging.ready_weight(product, *arguments)

    monkeypatch.setattr(ways, "ready_weight", ready_weight)
    x = torch.randn(2, 2048, requires_grad=True)
    weight, A, B = torch.randn(1024, 2048), torch.randn(4, 2048), torch.randn(1024, 4)
    expected = "uncast" if rows.has_onednn(x) else "branch"
    assert ways.row_ways(x, weight, None, A, B, 1.0)[0] == expected
    assert any("gradient" in key and decision.seconds for key, decision in chosen().items())
    assert "matmul" not in made
