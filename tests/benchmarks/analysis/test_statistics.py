"""The statistics against scipy's own tests, a textbook's example, and data of which the truth is known."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from streamlanes.benchmarks.analysis.statistics import (
    ALPHA,
    MARGIN,
    Estimate,
    decide,
    holm,
    interval,
    log_ratios,
    margin,
    noise,
    p_value,
    paired,
    unpaired,
)

FIGURES = st.lists(st.floats(0.01, 1e6), min_size=2, max_size=30)


def gauss(rounds: int, mean: float = 0.0, spread: float = 0.02, *, random_: random.Random) -> list[float]:
    return [random_.gauss(mean, spread) for _ in range(rounds)]


@pytest.mark.parametrize("rounds", [2, 3, 10, 25])
def test_pairs_as_scipy_has_them(rounds: int) -> None:
    random_ = random.Random(rounds)
    one = [math.exp(value) for value in gauss(rounds, 1.0, 0.2, random_=random_)]
    other = [math.exp(value) for value in gauss(rounds, 0.9, 0.1, random_=random_)]
    theirs = stats.ttest_rel([math.log(value) for value in one], [math.log(value) for value in other])
    ours = paired(log_ratios(one, other))
    assert p_value(ours) == pytest.approx(theirs.pvalue)
    assert interval(ours) == pytest.approx((*theirs.confidence_interval(0.95),))
    assert interval(ours, 0.001) == pytest.approx((*theirs.confidence_interval(0.999),))


@pytest.mark.parametrize("rounds", [(2, 2), (3, 11), (10, 10)])
def test_two_runs_as_scipy_has_them(rounds: tuple[int, int]) -> None:
    random_ = random.Random(1)
    one = [math.exp(value) for value in gauss(rounds[0], 1.0, 0.2, random_=random_)]
    other = [math.exp(value) for value in gauss(rounds[1], 0.9, 0.05, random_=random_)]
    logs = [[math.log(value) for value in side] for side in (one, other)]
    theirs = stats.ttest_ind(*logs, equal_var=False)
    ours = unpaired(one, other)
    assert p_value(ours) == pytest.approx(theirs.pvalue)
    assert interval(ours) == pytest.approx((*theirs.confidence_interval(0.95),))


def test_figures_that_never_change() -> None:
    """Bytes per event may be the same in every round."""
    same = paired(log_ratios([3.0] * 10, [3.0] * 10))
    assert (p_value(same), interval(same)) == (1.0, (0.0, 0.0))
    double = unpaired([2.0] * 10, [1.0] * 10)
    assert p_value(double) == 0.0
    assert interval(double) == pytest.approx((math.log(2), math.log(2)))


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_no_ratio(bad: float) -> None:
    with pytest.raises(ValueError, match="has no ratio"):
        log_ratios([1.0, bad], [1.0, 1.0])
    with pytest.raises(ValueError, match="has no ratio"):
        log_ratios([1.0, 1.0], [1.0, bad])
    with pytest.raises(ValueError, match="has no ratio"):
        unpaired([1.0, bad], [1.0, 1.0])


def test_one_round_has_no_interval() -> None:
    with pytest.raises(ValueError, match="needs 2 rounds"):
        paired([0.1])
    with pytest.raises(ValueError, match="needs 2 rounds"):
        unpaired([1.0, 2.0], [1.0])


@given(FIGURES)
def test_the_reference_may_be_either(figures: list[float]) -> None:
    other = figures[::-1]
    there, back = paired(log_ratios(figures, other)), paired(log_ratios(other, figures))
    assert there.mean == pytest.approx(-back.mean)
    assert p_value(there) == pytest.approx(p_value(back))


def test_intervals_cover_at_ten_rounds() -> None:
    """Of 2,000 intervals 95 % hold the truth; 4 standard deviations of the binomial are 2 %."""
    random_ = random.Random(6)
    tries = 2_000
    truth = 0.1
    covered = 0
    for _ in range(tries):
        low, high = interval(paired(gauss(10, truth, random_=random_)))
        covered += low <= truth <= high
    assert abs(covered / tries - 0.95) < 4 * math.sqrt(0.95 * 0.05 / tries)


# `pvals` of https://www.stat.ethz.ch/Teaching/Videos/ams/multTesting.R (ETH Zürich, Applied Multivariate Statistics),
# where Holm rejects two hypotheses; by hand: 5 x 0.005, 4 x 0.011, 3 x 0.02, 2 x 0.04, 1 x 0.13.
ETH = [0.011, 0.02, 0.005, 0.13, 0.04]


def test_holm_by_a_textbook() -> None:
    steps = holm(ETH)
    assert [step.p_adjusted for step in steps] == pytest.approx([0.044, 0.06, 0.025, 0.13, 0.08])
    assert [step.alpha for step in steps] == pytest.approx([0.05 / 4, 0.05 / 3, 0.05 / 5, 0.05 / 3, 0.05 / 3])


def test_holm_never_goes_back() -> None:
    """0.01, 0.04, 0.03 and 0.005: 3 x 0.01, then 2 x 0.03, below which 1 x 0.04 can't fall."""
    assert [step.p_adjusted for step in holm([0.01, 0.04, 0.03, 0.005])] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert not holm([])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_s_properties(p_values: list[float]) -> None:
    steps = holm(p_values)
    ranked = sorted(zip(p_values, steps, strict=True), key=lambda pair: pair[0])
    for p, step in ranked:
        assert p <= step.p_adjusted <= min(1.0, p * len(p_values))
        assert ALPHA / len(p_values) <= step.alpha <= ALPHA
    for (_, before), (_, after) in pairwise(ranked):
        assert before.p_adjusted <= after.p_adjusted
        assert before.alpha <= after.alpha


@given(st.integers(0, 1_000), st.integers(1, 20))
def test_an_interval_excludes_no_difference_exactly_when_its_p_does(seed: int, comparisons: int) -> None:
    random_ = random.Random(seed)
    estimates = [paired(gauss(10, random_.uniform(-0.04, 0.04), random_=random_)) for _ in range(comparisons)]
    steps = holm([p_value(estimate) for estimate in estimates])
    for estimate, step in zip(estimates, steps, strict=True):
        low, high = interval(estimate, step.alpha)
        assert (low > 0 or high < 0) == (step.p_adjusted <= ALPHA)


def test_a_family_of_equal_lanes_has_false_differences_in_one_of_twenty_at_most() -> None:
    """20 comparisons that share their reference, as a report's do: 5 % of families, and 3 standard deviations."""
    random_ = random.Random(2)
    families = 400
    wrong = 0
    for _ in range(families):
        reference = gauss(10, random_=random_)
        logs = [gauss(10, random_=random_) for _ in range(20)]
        estimates = [paired([a - b for a, b in zip(lane, reference, strict=True)]) for lane in logs]
        steps = holm([p_value(estimate) for estimate in estimates])
        wrong += any(step.p_adjusted <= ALPHA for step in steps)
        # Together they hold the truth as often, since every interval has Holm's level.
        assert all(
            (interval(estimate, step.alpha)[0] <= 0 <= interval(estimate, step.alpha)[1]) == (step.p_adjusted > ALPHA)
            for estimate, step in zip(estimates, steps, strict=True)
        )
    assert wrong / families < 0.05 + 3 * math.sqrt(0.05 * 0.95 / families)


def test_the_verdicts_of_a_family_are_right_together() -> None:
    """Lanes that are equal, just inside the margin, just outside and far off: 5 % of families, and 3 deviations."""
    random_ = random.Random(4)
    truths = [0.0, 0.999 * MARGIN, 1.001 * MARGIN, -1.001 * MARGIN, 0.3] * 3
    families = 300
    wrong = 0
    for _ in range(families):
        estimates = [paired(gauss(10, truth, 0.01, random_=random_)) for truth in truths]
        steps = holm([p_value(estimate) for estimate in estimates])
        right = {
            "worse": lambda t: t > MARGIN,
            "better": lambda t: t < -MARGIN,
            "equivalent": lambda t: abs(t) < MARGIN,
        }
        verdicts = [decide(*interval(e, step.alpha), MARGIN, "lower") for e, step in zip(estimates, steps, strict=True)]
        assert verdicts.count("undecided") < len(verdicts)
        wrong += any(
            verdict != "undecided" and not right[verdict](truth)
            for verdict, truth in zip(verdicts, truths, strict=True)
        )
    assert wrong / families < 0.05 + 3 * math.sqrt(0.05 * 0.95 / families)


def test_the_margin() -> None:
    assert margin([]) == MARGIN == math.log(1.05)
    calm = Estimate(mean=0.001, error=0.001, freedom=9)
    assert margin([calm]) == MARGIN
    noisy = Estimate(mean=-0.03, error=0.02, freedom=9)
    low, high = interval(noisy)
    assert noise(noisy) == -low > abs(high)
    assert margin([calm, noisy]) == noise(noisy) > MARGIN


def test_the_noise_is_an_upper_bound() -> None:
    """Of a lane that differs from itself by 3 %, the bound is above 3 % in 95 % of cases at least."""
    random_ = random.Random(3)
    tries = 1_000
    above = sum(noise(paired(gauss(10, 0.03, random_=random_))) >= 0.03 for _ in range(tries))
    assert above / tries > 0.95 - 3 * math.sqrt(0.95 * 0.05 / tries)


@pytest.mark.parametrize(
    ("low", "high", "if_lower_is_better", "if_higher_is_better"),
    [
        (0.06, 0.10, "worse", "better"),
        (-0.10, -0.06, "better", "worse"),
        (-0.04, 0.04, "equivalent", "equivalent"),
        (0.01, 0.04, "equivalent", "equivalent"),  # a difference, and one that doesn't matter
        (0.04, 0.06, "undecided", "undecided"),
        (-0.06, 0.01, "undecided", "undecided"),
        (-0.10, 0.10, "undecided", "undecided"),
        (MARGIN, 0.10, "undecided", "undecided"),
    ],
)
def test_four_verdicts(low: float, high: float, if_lower_is_better: str, if_higher_is_better: str) -> None:
    assert decide(low, high, MARGIN, "lower") == if_lower_is_better
    assert decide(low, high, MARGIN, "higher") == if_higher_is_better
