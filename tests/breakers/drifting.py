"""An agent's days, drawn from a seed: tickets by weekday and hour, bursts of them, amounts with a heavy tail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from breakers.drift import Step

START = datetime(2026, 8, 3, tzinfo=UTC)

WEEK = (1.3, 1.1, 1.0, 1.0, 0.9, 0.35, 0.25)
"""How many tickets a day has, beside those of the others, from Monday on."""

HOURS = (1, 1, 0, 0, 0, 1, 2, 4, 8, 12, 12, 10, 6, 9, 11, 11, 9, 7, 5, 4, 3, 3, 2, 1)
"""And each of its hours."""

BY_DAY: Mapping[str, float] = {"refund": 0.45, "answer": 0.31, "label": 0.16, "credit": 0.07, "close": 0.01}
BY_NIGHT: Mapping[str, float] = {"refund": 0.2, "answer": 0.2, "label": 0.55, "credit": 0.04, "close": 0.01}
"""What a ticket ends with: at night a batch labels what came in."""


@dataclass(frozen=True)
class Habits:
    """
    What the agent does: of a burst so much is of one kind; `refunds` multiplies the share of refunds among its writes.
    """

    tickets: float = 40.0
    bursts_a_week: float = 2.0
    skewed: float = 0.1
    refunds: float = 1.0


def days(seed: int, first: int, count: int, habits: Habits = Habits()) -> Iterator[Step]:
    """Draw the calls of some days, in their order."""
    for number in range(first, first + count):
        # Each day has its own source, so that what is drawn of one does not depend on those before it.
        yield from sorted(_day(Random(f"{seed}/{number}"), number, habits), key=lambda step: step.at)


def _day(random: Random, number: int, habits: Habits) -> Iterator[Step]:
    day = START + timedelta(days=number)
    # No two Mondays are alike.
    tickets = round(habits.tickets * WEEK[day.weekday()] * random.lognormvariate(0, 0.25))
    for hour in random.choices(range(24), HOURS, k=tickets):
        yield from _ticket(random, day + timedelta(hours=hour, seconds=random.uniform(0, 3600)), habits)
    if random.random() < habits.bursts_a_week / 7:
        # An outage somewhere: many at once, of a mix of their own.
        at = day + timedelta(hours=random.uniform(8, 19))
        skewed = random.choice(list(BY_DAY))
        for _ in range(random.randint(10, 40)):
            at += timedelta(seconds=random.expovariate(1 / 20))
            yield from _ticket(random, at, habits, skewed if random.random() < habits.skewed else None)


def _ticket(random: Random, at: datetime, habits: Habits, ends_with: str | None = None) -> Iterator[Step]:
    task = f"a/{random.getrandbits(48):x}"
    yield Step(at, task, "desk/ticket", writes=False)
    mix = dict(BY_DAY if 6 <= at.hour < 22 else BY_NIGHT)
    refunds = mix["refund"] * habits.refunds
    others = (1 - refunds) / (1 - mix["refund"])
    mix = {name: refunds if name == "refund" else share * others for name, share in mix.items()}
    what = ends_with or random.choices(list(mix), list(mix.values()))[0]
    if what in {"refund", "credit"}:
        for _ in range(random.choice((1, 1, 1, 2))):
            at += timedelta(seconds=random.uniform(1, 20))
            yield Step(at, task, "shop/order", writes=False)
        # Half of all that is paid is paid in one of twenty.
        micros, at = round(10_000_000 * random.paretovariate(1.2)), at + timedelta(seconds=random.uniform(1, 20))
        yield Step(at, task, f"shop/{what}", writes=True, micros=micros, currency="USD")
    else:
        # A batch: many of the same at once.
        for _ in range(random.randint(5, 15) if what == "label" and random.random() < 0.1 else 1):
            at += timedelta(seconds=random.uniform(1, 15))
            yield Step(at, task, f"desk/{what}", writes=True)
