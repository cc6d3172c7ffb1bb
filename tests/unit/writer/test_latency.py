from __future__ import annotations

import pytest

from workers.writer.latency import BUCKETS, Histogram


def test_an_empty_histogram() -> None:
    facts = Histogram().facts()
    assert facts["calls"] == facts["over_1s"] == 0
    assert facts["p50_ms"] == facts["p99_ms"] == facts["longest_ms"] == 0
    assert facts["buckets"] == [0] * BUCKETS


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (0.0009, 0), (0.001, 1), (0.0019, 1), (0.002, 2), (0.004, 3), (1.0, 10), (3600, BUCKETS - 1)],
)
def test_buckets_are_powers_of_two_of_a_millisecond(seconds: float, bucket: int) -> None:
    histogram = Histogram()
    histogram.add(seconds)
    assert histogram.facts()["buckets"][bucket] == 1


def test_percentiles_are_upper_edges_and_never_above_the_longest() -> None:
    histogram = Histogram()
    for _ in range(98):
        histogram.add(0.003)
    histogram.add(0.1)
    histogram.add(1.5)
    facts = histogram.facts()
    assert facts["calls"] == 100
    assert facts["p50_ms"] == 4
    assert facts["p99_ms"] == 128
    assert facts["longest_ms"] == 1500
    assert facts["over_1s"] == 1
    alone = Histogram()
    alone.add(0.003)
    assert alone.facts()["p50_ms"] == 3


def test_a_call_in_the_last_bucket_is_as_long_as_it_was() -> None:
    histogram = Histogram()
    histogram.add(60.0)
    assert histogram.facts()["p99_ms"] == 60_000.0
