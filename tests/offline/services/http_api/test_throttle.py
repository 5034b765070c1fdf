"""Buckets of tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.offline.services.http_api.throttle import Bucket, Throttle


def test_a_burst_passes_and_then_the_rate() -> None:
    bucket = Bucket(rate=2, burst=3, now=0)
    assert [bucket.take(0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(0.5) for _ in range(2)] == [True, False]
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False]


def test_nothing_passes_where_nothing_is_allowed() -> None:
    assert not Bucket(rate=0, burst=5, now=0).take(10)
    assert not Bucket(rate=5, burst=0, now=0).take(10)


@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 2), max_size=60),
)
def test_no_more_passes_than_the_burst_and_the_rate_allow(
    rate: float, burst: int, pauses: list[float]
) -> None:
    bucket, now, passed = Bucket(rate, burst, 0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now)
    assert passed <= burst + rate * now + 1e-6


def test_each_route_has_a_bucket_of_its_own() -> None:
    throttle = Throttle()
    assert throttle.admits("$default", "POST /sign-in", 1, 1, 0)
    assert not throttle.admits("$default", "POST /sign-in", 1, 1, 0)
    assert throttle.admits("$default", "$default", 1, 1, 0)


def test_other_settings_begin_anew() -> None:
    throttle = Throttle()
    assert throttle.admits("$default", "$default", 1, 1, 0)
    assert not throttle.admits("$default", "$default", 1, 1, 0)
    assert throttle.admits("$default", "$default", 1, 2, 0)


def test_without_settings_the_accounts_own_holds() -> None:
    throttle = Throttle()
    assert sum(throttle.admits("$default", "$default", None, None, 0) for _ in range(5001)) == 5000
