"""What a caller may ask: buckets that hold a rate, addresses that are not hearsay, settings that make sense."""

from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.limits import DoorLimits
from services.intake.speakers import Speaker
from shared.limits import Buckets, Limits, address_reader, is_within, read_networks
from shared.metrics import IntakeMetrics
from shared.problems import Problem
from shared.settings import Settings, SettingsError

NEEDED = {"JALUR_KAFKA": "broker:9092", "JALUR_POSTGRES": "postgresql://intake@db/jalur"}


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.integers(1, 10), st.integers(1, 10))
def test_a_bucket_gives_its_burst_and_then_its_rate_and_never_more(pauses: list[float], rate: int, burst: int) -> None:
    buckets, now, given_at = Buckets(rate, burst), 0.0, []
    for pause in pauses:
        now += pause
        if buckets.take("a", now) == 0.0:
            given_at.append(now)
    for number, first in enumerate(given_at):
        for more, last in enumerate(given_at[number:], start=1):
            assert more <= burst + (last - first) * rate + 1e-6


def test_who_waits_as_long_as_told_is_served() -> None:
    buckets = Buckets(rate=2, burst=3)
    assert [buckets.take("a", 10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait("a", 10.0) == 0.5
    assert buckets.take("b", 10.0) == 0.0
    assert buckets.take("a", 10.5) == 0.0
    assert buckets.take("a", 10.5) == pytest.approx(0.5)


def test_ten_thousand_addresses_take_bounded_memory() -> None:
    buckets = Buckets(rate=1, burst=1, most_names=100)
    for number in range(10_000):
        buckets.take(f"old {number}", 0.0)
        assert len(buckets._full_at) <= 100
    buckets.take("new", 0.5)
    buckets.take("another", 5.0)
    assert buckets.take("another", 5.0) > 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", b"198.51.100.1", "203.0.113.9"),  # nobody we trust: hearsay
        ("10.0.0.5", b"", "10.0.0.5"),
        ("10.0.0.5", b"198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", b"1.1.1.1, 198.51.100.1", "198.51.100.1"),  # what the caller wrote himself stands to the left
        ("10.0.0.5", b"1.1.1.1, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("10.0.0.5", b"198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.5", b"nonsense", "10.0.0.5"),
        ("10.0.0.5", b"198.51.100.1, nonsense", "10.0.0.5"),
        ("10.0.0.5", b'"[2001:db8:1:2:3:4:5:6]:443"', "2001:db8:1:2::/64"),
        ("2001:db8:1:2:aaaa::1", b"", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.1", b"", "198.51.100.1"),
        ("::ffff:10.0.0.5", b"198.51.100.1", "198.51.100.1"),  # a proxy as a socket of both families shows it
        ("10.0.0.5", b"198.51.100.1, ::ffff:10.0.0.7", "198.51.100.1"),
        ("10.9.0.5", b"198.51.100.1", "198.51.100.1"),  # a network that was written that way
        ("10.0.0.5", b"x" * 100_000 + b", 198.51.100.1", "198.51.100.1"),
    ],
)
def test_an_address_is_believed_as_far_as_proxies_are_trusted(peer: str, forwarded: bytes, found: str) -> None:
    assert address_reader(read_networks("10.0.0.0/24, ::ffff:10.9.0.0/112, 192.0.2.1"))(peer, forwarded) == found


def test_a_proxy_is_known_in_both_ways_to_write_its_address() -> None:
    networks = read_networks("10.0.0.0/24, 2001:db8::/32")
    assert all(is_within(peer, networks) for peer in ("10.0.0.5", "::ffff:10.0.0.5", "2001:db8::1"))
    assert not any(is_within(peer, networks) for peer in ("10.0.1.5", "::ffff:10.0.1.5", "2001:db9::1", "", "nonsense"))


def test_settings_are_read_and_what_makes_no_sense_is_named() -> None:
    settings = Settings.load("intake", {**NEEDED, "JALUR_LIMIT_KEY_RATE": "50.5", "JALUR_TRUSTED_PROXIES": "10.0.0.5, fd00::/8"})
    assert settings.limits == Limits(key_rate=50.5)
    every = {item.name: index for index, item in enumerate(fields(Limits), start=1)}
    read = Settings.load("intake", NEEDED | {f"JALUR_LIMIT_{name.upper()}": str(value) for name, value in every.items()})
    assert asdict(read.limits) == every
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.5/32", "fd00::/8"]
    for name, value in (("KEY_RATE", "0"), ("KEY_RATE", "nan"), ("CONNECTIONS", "1.5"), ("HEAD_SECONDS", "-1"), ("BODY_RATE", "fast")):
        with pytest.raises(SettingsError, match=f"JALUR_LIMIT_{name}"):
            Settings.load("intake", {**NEEDED, f"JALUR_LIMIT_{name}": value})
    with pytest.raises(SettingsError, match="JALUR_TRUSTED_PROXIES"):
        Settings.load("intake", {**NEEDED, "JALUR_TRUSTED_PROXIES": "10.0.0.300"})


def test_the_usual_limits_let_an_import_of_a_hundred_thousand_lines_through_at_once() -> None:
    limits = Limits()
    assert limits.key_burst >= 100_000
    assert limits.address_burst >= limits.key_burst
    assert limits.key_at_once >= 256


LAPOR, PPID = Speaker("source", "lapor", "k1"), Speaker("source", "ppid", "k2")


def scope(address: str = "198.51.100.1") -> dict[str, Any]:
    return {"type": "http", "client": (address, 1), "headers": []}


def refused(problem: pytest.ExceptionInfo[Problem], kind: str) -> None:
    assert (problem.value.status, problem.value.kind) == (429, kind)
    assert problem.value.retry_after is not None
    assert problem.value.retry_after >= 1


def test_what_is_under_way_is_counted_until_it_is_over() -> None:
    limits = DoorLimits(Limits(key_at_once=2, key_batches=1), IntakeMetrics())
    first, second = scope(), scope()
    limits.admit_key(first, LAPOR, is_batch=True)
    with pytest.raises(Problem) as problem:
        limits.admit_key(scope(), LAPOR, is_batch=True)
    refused(problem, "too-many-at-once")
    limits.admit_key(second, LAPOR)
    with pytest.raises(Problem) as problem:
        limits.admit_key(scope(), LAPOR)
    refused(problem, "too-many-at-once")
    limits.admit_key(scope(), PPID)
    for over in (first, second, first, scope()):  # also one that never came in, or left already
        limits.leave(over)
    for _ in range(2):
        limits.admit_key(scope(), LAPOR)


def test_an_address_and_a_key_have_buckets_of_their_own() -> None:
    now = 0.0
    limits = DoorLimits(Limits(address_rate=1, address_burst=2, key_rate=0.1, key_burst=1), IntakeMetrics(), clock=lambda: now)
    for _ in range(2):
        assert limits.admit_address(scope()) == "198.51.100.1"
    with pytest.raises(Problem) as problem:
        limits.admit_address(scope())
    refused(problem, "too-many-requests")
    limits.admit_address(scope("198.51.100.2"))
    limits.admit_key(scope(), LAPOR)
    with pytest.raises(Problem) as problem:
        limits.admit_key(scope(), LAPOR)
    refused(problem, "too-many-requests")
    assert problem.value.retry_after == 10
    now = 10.0
    limits.admit_address(scope())
    limits.admit_key(scope(), LAPOR)
