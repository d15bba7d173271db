"""Hours, days and months of a zone: which one a moment is in, when it is over, and what clocks do to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.periods import DAY, HOUR, MONTH, day_ends, period_at

SECOND = timedelta(seconds=1)

# Halves and quarters of hours, half an hour of summer time, dates that are left out, clocks that change at midnight.
ZONES = (
    "UTC",
    "Europe/Madrid",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Santiago",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Africa/Casablanca",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


PLAIN = [
    (HOUR, "UTC", "2026-11-21T14:59:59.999999Z", "2026-11-21T14+00:00", "2026-11-21T15:00:00Z"),
    (DAY, "UTC", "2026-11-21T00:00:00Z", "2026-11-21", "2026-11-22T00:00:00Z"),
    (MONTH, "UTC", "2026-12-31T23:59:59Z", "2026-12", "2027-01-01T00:00:00Z"),
    (HOUR, "Europe/Madrid", "2026-11-21T13:30:00Z", "2026-11-21T14+01:00", "2026-11-21T14:00:00Z"),
    (DAY, "Europe/Madrid", "2026-11-20T23:00:00Z", "2026-11-21", "2026-11-21T23:00:00Z"),
    (MONTH, "Europe/Madrid", "2026-10-31T23:00:00Z", "2026-11", "2026-11-30T23:00:00Z"),
    (HOUR, "Asia/Kathmandu", "2026-11-21T00:20:00Z", "2026-11-21T06+05:45", "2026-11-21T01:15:00Z"),
    (MONTH, "America/Sao_Paulo", "2026-12-01T02:59:59Z", "2026-11", "2026-12-01T03:00:00Z"),
    (MONTH, "America/Sao_Paulo", "2026-12-01T03:00:00Z", "2026-12", "2027-01-01T03:00:00Z"),
]


@pytest.mark.parametrize(("kind", "zone", "moment", "named", "until"), PLAIN)
def test_named(kind: str, zone: str, moment: str, named: str, until: str) -> None:
    """A moment is in the hour, the day, the month that a clock in the zone shows."""
    period = period_at(kind, zone, at(moment))
    assert (period.id, period.until) == (named, at(until))


def test_replica_elsewhere() -> None:
    """Where the process runs, and in which zone a moment is written, makes no difference."""
    moment = at("2026-12-01T02:30:00Z")
    elsewhere = moment.astimezone(ZoneInfo("Asia/Tokyo"))
    assert period_at(MONTH, "America/Sao_Paulo", elsewhere) == period_at(MONTH, "America/Sao_Paulo", moment)


CHANGES = [
    # Clocks go back: what they show twice is two hours, and the day has twenty-five.
    (HOUR, "Europe/Madrid", "2026-10-25T00:30:00Z", "2026-10-25T02+02:00", "2026-10-25T01:00:00Z"),
    (HOUR, "Europe/Madrid", "2026-10-25T01:30:00Z", "2026-10-25T02+01:00", "2026-10-25T02:00:00Z"),
    (DAY, "Europe/Madrid", "2026-10-25T01:30:00Z", "2026-10-25", "2026-10-25T23:00:00Z"),
    # Clocks go on: the hour that they leave out is none, and the day has twenty-three.
    (HOUR, "Europe/Madrid", "2026-03-29T00:59:59Z", "2026-03-29T01+01:00", "2026-03-29T01:00:00Z"),
    (HOUR, "Europe/Madrid", "2026-03-29T01:00:00Z", "2026-03-29T03+02:00", "2026-03-29T02:00:00Z"),
    (DAY, "Europe/Madrid", "2026-03-29T12:00:00Z", "2026-03-29", "2026-03-29T22:00:00Z"),
    # A midnight that is none, and one that comes twice.
    (DAY, "America/Santiago", "2026-09-06T03:59:59Z", "2026-09-05", "2026-09-06T04:00:00Z"),
    (DAY, "America/Santiago", "2026-09-06T04:00:00Z", "2026-09-06", "2026-09-07T03:00:00Z"),
    (DAY, "America/Havana", "2026-10-31T12:00:00Z", "2026-10-31", "2026-11-01T04:00:00Z"),
    (DAY, "America/Havana", "2026-11-01T05:30:00Z", "2026-11-01", "2026-11-02T05:00:00Z"),
    # Half an hour of summer time, a date that was left out, a day that came back for an hour behind its midnight.
    (HOUR, "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-05T01+11:00", "2026-04-04T15:00:00Z"),
    (HOUR, "Australia/Lord_Howe", "2026-04-04T15:15:00Z", "2026-04-05T01+10:30", "2026-04-04T15:30:00Z"),
    (DAY, "Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-29", "2011-12-30T10:00:00Z"),
    (DAY, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31", "2011-12-31T10:00:00Z"),
    (DAY, "America/St_Johns", "2010-11-07T02:00:00Z", "2010-11-06", "2010-11-07T03:30:00Z"),
    (HOUR, "America/St_Johns", "2010-11-07T02:30:30Z", "2010-11-07T00-02:30", "2010-11-07T02:31:00Z"),
]


@pytest.mark.parametrize(("kind", "zone", "moment", "named", "until"), CHANGES)
def test_clocks_change(kind: str, zone: str, moment: str, named: str, until: str) -> None:
    """Where clocks change, a period is as long as it is, and no two have one name."""
    period = period_at(kind, zone, at(moment))
    assert (period.id, period.until) == (named, at(until))


@given(
    st.sampled_from((HOUR, DAY, MONTH)),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
)
def test_periods_tile(kind: str, zone: str, moment: datetime) -> None:
    """A period is over at the first second that is not in it, and the one behind it has another name."""
    period = period_at(kind, zone, moment)
    assert moment < period.until
    assert period_at(kind, zone, period.until - SECOND).id == period.id
    assert period_at(kind, zone, period.until).id != period.id
    assert period_at(kind, zone, period.until).until > period.until


@given(
    st.sampled_from((HOUR, DAY, MONTH)),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    st.integers(0, 3600),
)
def test_clock_set_back(kind: str, zone: str, moment: datetime, seconds: int) -> None:
    """A clock that is set back finds a period by the name that it had then: never a third one."""
    earlier = moment - timedelta(seconds=seconds)
    first, later = period_at(kind, zone, earlier), period_at(kind, zone, moment)
    again = period_at(kind, zone, earlier)
    assert again == first
    assert (first.id == later.id) == (first.until == later.until)


def test_standing_day() -> None:
    """The task of a day is over when its day is, in UTC, and what is no day is never over."""
    assert day_ends("2026-11-21") == at("2026-11-22T00:00:00Z")
    assert day_ends("01JABCDEFGHJKMNPQRSTVWXYZ0") is None
