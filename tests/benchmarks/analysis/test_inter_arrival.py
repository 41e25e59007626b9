"""Times between events, against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis.inter_arrival import jitter
from streamlanes.benchmarks.experiment.summarise import summarise
from tests.benchmarks.raw import write_raw


def test_jitter_is_none_where_all_are_as_late_as_each_other() -> None:
    assert jitter([0, 10, 20, 30], [5, 15, 25, 35]) == 0


def test_jitter_is_the_rfcs_running_mean() -> None:
    # Transit times 5, 21, 5: differences of 16 and 16, so 16/16 = 1, then 1 + (16 - 1)/16.
    assert jitter([0, 10, 20], [5, 31, 25]) == pytest.approx(1 + 15 / 16)


def test_a_stream_of_a_token_a_millisecond(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", (600, 600)))
    assert result.figures["interarrival_p50_ms"] == pytest.approx(1, rel=1e-3)
    assert result.figures["jitter_ms"] == 0
    assert "tpot_p50_ms" not in result.figures  # two streams are too few for a median
    assert (result.samples["interarrival"], result.samples["tpot"]) == (2 * 599, 2)
