"""Tests of evi_harness.measure.comparison."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from evi_harness.measure.baseline import Detector, MeasuredRun, merged
from evi_harness.measure.comparison import IMPROVED, INCONCLUSIVE, PASSED, REGRESSED, ComparisonRules, compare_jobs, compare_side_by_side
from evi_harness.measure.effect import Effect
from evi_harness.measure.origin import Origin
from evi_harness.measure.samples import Sample

N_TURNS = 10
# Least effects as shares alone, so that cases read well.
RULES = ComparisonRules(least=Effect(0.05))


def run(values, metric="response", *, exact=False, detector=None, session="s"):
    """One run of a metric, one value a turn; None for a turn without one."""
    samples = [Sample(metric, value, session, turn, None, "gone" if value is None else "") for turn, value in enumerate(values, 1)]
    return MeasuredRun(tuple(samples), frozenset([metric] if exact else []), detector)


def job(n_runs, change=1.0, *, noise=0.027, seed="job", slowness=1.3, metric="response"):
    """Runs of an old and a new version in turns, the new one slower by a factor."""
    draw = random.Random(seed)
    turns = [slowness * 800 * draw.lognormvariate(0, 0.3) for _ in range(N_TURNS)]
    olds, news = [], []
    for _ in range(n_runs):
        for runs, factor in ((olds, 1.0), (news, change)):
            runs.append(run([turn * factor * (1 + draw.gauss(0, noise)) for turn in turns], metric))
    return olds, news


def verdicts(found):
    """What was found, by statistic."""
    return {one.statistic: one.verdict for one in found}


@pytest.mark.parametrize(("change", "verdict"), [(1.0, PASSED), (1.1, REGRESSED), (0.9, IMPROVED), (1.01, PASSED), (1.05, INCONCLUSIVE)])
def test_a_change_of_known_size(change, verdict):
    """Median and 95th percentile alike: what is surely more than matters, surely less, or neither."""
    found = compare_side_by_side(*job(20, change), RULES)
    assert verdicts(found) == {"med": verdict, "p(95)": verdict}
    median = found[0]
    assert median.low < median.difference < median.high
    assert median.difference / median.old == pytest.approx(change - 1, abs=0.02)
    assert (median.n_runs, median.n_pairs) == (20, 200)
    assert median.least == pytest.approx(0.05 * median.old)


def test_the_same_seed_gives_the_same_and_another_nearly():
    """Verdicts can be had again."""
    olds, news = job(20, 1.03)
    first = compare_side_by_side(olds, news, RULES)
    assert first == compare_side_by_side(olds, news, RULES)
    other = compare_side_by_side(olds, news, replace(RULES, seed=2))
    assert other != first
    assert [one.low for one in other] == pytest.approx([one.low for one in first], abs=3)


def test_a_slow_machine_is_slow_for_both():
    """The interval, as a share, is the same on it."""
    fast, slow = (compare_side_by_side(*job(20, 1.1, slowness=slowness), RULES)[0] for slowness in (0.5, 2.0))
    assert slow.low / slow.old == pytest.approx(fast.low / fast.old)


def test_too_few_runs_say_how_many_more_and_these_decide():
    """First those that an interval needs at all, and as many as the noise asks for."""
    olds, news = job(60, 1.1)
    few = compare_side_by_side(olds[:5], news[:5], RULES)
    assert verdicts(few) == {"med": INCONCLUSIVE, "p(95)": INCONCLUSIVE}
    assert few[0].low is None
    assert "interval needs 8 runs, " in few[0].why
    assert re.search(rf"\b{few[0].more_runs} more runs\b", few[0].why)
    n_runs = 5 + max(one.more_runs for one in few)
    assert n_runs <= 60
    assert verdicts(compare_side_by_side(olds[:n_runs], news[:n_runs], RULES)) == {"med": REGRESSED, "p(95)": REGRESSED}


def test_what_is_at_the_least_effect_says_that_no_number_would_do():
    """Or a large one; never a verdict."""
    median = compare_side_by_side(*job(20, 1.05, seed="x", noise=0.1), RULES)[0]
    assert median.verdict == INCONCLUSIVE
    assert median.more_runs is None or median.more_runs > 50


def test_what_is_compared_shares_the_false_alarm():
    """The more there is, the surer each must be."""
    olds, news = job(20, 1.1)
    more = [MeasuredRun((*one.samples, *two.samples)) for one, two in zip(olds, job(20, metric="handle")[0])]
    alone = compare_side_by_side(olds, news, RULES)
    shared = compare_side_by_side(
        more, [MeasuredRun((*one.samples, *two.samples)) for one, two in zip(news, job(20, metric="handle")[1])], RULES
    )
    assert {one.alpha for one in alone} == {0.005}
    assert {one.alpha for one in shared} == {0.0025}
    assert shared[0].low < alone[0].low


def test_p95_needs_twenty_values():
    """One run of ten turns has a median only."""
    assert list(verdicts(compare_side_by_side(*job(1), RULES))) == ["med"]
    assert list(verdicts(compare_side_by_side(*job(2), RULES))) == ["med", "p(95)"]


def test_what_happens_or_not_is_compared_as_a_rate():
    """In points of all turns, five of which matter."""
    often, seldom = ([run([float(turn < n) for turn in range(N_TURNS)], "missed")] * 10 for n in (3, 1))
    (found,) = compare_side_by_side(seldom, often, RULES)
    assert (found.statistic, found.verdict, found.old, found.new) == ("rate", REGRESSED, pytest.approx(0.1), pytest.approx(0.3))


@pytest.mark.parametrize(
    ("new", "verdict", "words"),
    [
        ((1.0, 2.0, 3.0), PASSED, ""),
        ((1.0, 2.000001, 3.0), REGRESSED, "1 of 3 slower"),
        ((1.0, 1.999999, 3.0), IMPROVED, "1 of 3 faster"),
        ((0.5, 2.0, 3.5), REGRESSED, "1 of 3 slower; 1 of 3 faster"),
        ((1.0, 2.0, None), INCONCLUSIVE, "1 value without a counterpart"),
        ((1.5, 2.0, None), REGRESSED, "1 of 2 slower; 1 value without a counterpart"),
        ((None, None, None), INCONCLUSIVE, "no values"),
    ],
)
@pytest.mark.parametrize("compare", [compare_side_by_side, compare_jobs])
def test_exact_metrics_are_held_to_the_nanosecond(compare, new, verdict, words):
    """Value by value, with nothing that is let pass, in one job or another."""
    (found,) = compare([run((1.0, 2.0, 3.0), "handle", exact=True)], [run(new, "handle", exact=True)], RULES)
    assert (found.verdict, found.least) == (verdict, 0.0)
    assert words in found.why
    if verdict in (REGRESSED, IMPROVED):
        assert found.where.startswith("s turn ")


def test_where_in_a_block_a_sound_begins_is_chance():
    """A block of the speaker's is no change to when something is heard; more is one, and of all else a nanosecond is."""
    for metric, ms, verdict in (("to_speaker", 10.0, PASSED), ("to_speaker", 10.000001, REGRESSED), ("handle", 1e-6, REGRESSED)):
        old, new = ([run((value,), metric, exact=True)] for value in (0.0, ms))
        assert [one.verdict for one in compare_side_by_side(old, new, RULES)] == [verdict], (metric, ms)


@pytest.mark.parametrize("compare", [compare_side_by_side, compare_jobs])
def test_what_is_of_another_replay_is_not_compared(compare):
    """Of another clock, pace or recording: the reason, and no verdict; a session that only one side has is named."""
    old = replace(run((1.0,), "handle", exact=True), origins=(Origin("s", "id", "virtual"),))
    (real,) = compare([old], [replace(old, origins=(Origin("s", "id", "real"),))], RULES)
    assert (real.metric, real.verdict, real.old) == ("handle", INCONCLUSIVE, None)
    assert re.match("s was .*virtual time .*real time .*: not compared", real.why)
    other = replace(run((1.0,), "handle", exact=True, session="t"), origins=(Origin("t", "id-t", "virtual"),))
    (apart,) = compare([old], [other], RULES)
    assert apart.verdict == INCONCLUSIVE
    assert "(s only before; t only now)" in apart.why
    assert (apart.gone, apart.added, real.gone) == (("s",), ("t",), ())
    (more,) = compare([merged([old, other])], [old], RULES)
    assert more.why == "1 value without a counterpart: t only before"
    assert (more.verdict, more.gone, more.added) == (INCONCLUSIVE, ("t",), ())


def test_exact_needs_both_sides_to_be():
    """Real time on one side makes it a sample."""
    (found,) = compare_side_by_side([run((1.0,), "handle", exact=True)], [run((2.0,), "handle")], RULES)
    assert (found.statistic, found.verdict) == ("med", INCONCLUSIVE)


def test_another_job_has_its_noise_in_the_interval():
    """What would be a regression here is none of a machine that may be that much slower, and `ab` is named."""
    olds, news = job(1, 1.3)
    (found,) = compare_jobs(olds, news, RULES)
    assert (found.statistic, found.verdict, found.more_runs) == ("avg", INCONCLUSIVE, None)
    assert "26%" in found.why
    assert "evi-harness ab" in found.why
    (mine,) = compare_jobs(olds, news, replace(RULES, job_noise=0.0))
    assert mine.verdict == REGRESSED
    (far,) = compare_jobs(olds, job(1, 4.0)[1], RULES)
    assert far.verdict == REGRESSED


def test_a_few_places_make_no_interval():
    """How many there must be is told."""
    (found,) = compare_jobs([run((1.0, 2.0))], [run((5.0, 6.0))], replace(RULES, job_noise=0.0))
    assert found.verdict == INCONCLUSIVE
    assert re.search(r"\b7 pairs .*\b2\b", found.why)


def test_different_detectors_are_not_compared():
    """Where the user's speech is part of it; else they are."""
    old = run((1.0,) * 20, "turn_gap", detector=Detector("silero", "1", 0.5))
    new = replace(old, detector=Detector("silero", "2", 0.5))
    (found,) = compare_jobs([old], [new], RULES)
    assert (found.verdict, found.old) == (INCONCLUSIVE, None)
    assert "silero 1 at 0.5 before and by silero 2 at 0.5 now" in found.why
    assert compare_jobs([run((1.0,) * 20)], [run((1.0,) * 20)], replace(RULES, job_noise=0.0))[0].verdict == PASSED


def test_what_is_compared():
    """All that has a value and is no part of another; or what is asked for, which is missed where it is not there."""
    samples = tuple(Sample(metric, 1.0, "s", 1) for metric in ("handle", "handle.own", "turn_gap", "turn_gap.silence", "tool.app"))
    runs = [MeasuredRun(samples)]
    assert [one.metric for one in compare_jobs(runs, runs, RULES)] == ["turn_gap", "handle", "tool.app"]
    assert [one.metric for one in compare_jobs(runs, runs, replace(RULES, families=("client",)))] == ["handle", "tool.app"]
    asked = compare_jobs(runs, runs, replace(RULES, metrics=("handle.own", "cpu")))
    assert [one.metric for one in asked] == ["handle.own", "cpu"]
    assert asked[1].why.startswith("no values")


def test_a_least_effect_of_its_own():
    """By metric."""
    olds, news = job(20, 1.1)
    found = compare_side_by_side(olds, news, replace(RULES, least_by_metric={"response": Effect(0.2)}))
    assert verdicts(found) == {"med": PASSED, "p(95)": PASSED}
