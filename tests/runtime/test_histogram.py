"""Durations counted by upper bounds."""

import pytest

from gossip.runtime.histogram import BOUNDS, Histogram


def test_a_duration_counts_in_every_bucket_that_is_no_shorter() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.2, 5.0):
        histogram.observe(seconds)
    observed = histogram.read()
    assert (observed.bounds, observed.counts) == ((0.1, 1.0), (2, 3, 4))
    assert observed.total == 4
    assert observed.sum == pytest.approx(5.35)


def test_what_was_read_does_not_change() -> None:
    histogram = Histogram()
    before = histogram.read()
    histogram.observe(1.0)
    assert (before.total, before.sum) == (0, 0.0)
    assert list(BOUNDS) == sorted(BOUNDS)
