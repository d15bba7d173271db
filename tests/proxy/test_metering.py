"""What a call took of its charges, by how it ended and what its answer says: a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from breakers.call import Applied, Fault, Health, Outcome, Retry, Sent
from breakers.capping import Spending
from breakers.policy import Policy
from breakers.prices import Meter, Price
from breakers.spend import CALLS, WRITES, Charge
from breakers.verdict import Forward
from config.catalog import Amount
from proxy.metering import found_took, read_took, write_took
from tests.ledger.world import read, write

PRICE = Price("USD", 1_000, (Meter("/usage/tokens", 15_000_000, 1_000_000, 4_096),))

HELD = (
    Charge("task:t", "life", CALLS, 1),
    Charge("task:t", "life", WRITES, 1),
    Charge("agent:a", "2026-11", "moved:USD", 12_000_000),
    Charge("agent:a", "2026-11", "moved:EUR", 7),
    Charge("agent:a", "2026-11", "paid:USD", 62_440),
)
AS_HELD = tuple(charge.amount for charge in HELD)

ANSWER = b'{"amount": 1150, "currency": "usd", "usage": {"tokens": 1000}}'
# 1,000 tokens at 15 USD a million, and the price of the call.
SHOWN = 11_500_000
PAID = 16_000


def judged(held: Any, *, priced: bool = True) -> tuple[Forward, Policy]:
    """A call of an operation whose answer shows its amount, and the policy that it was judged by."""
    call = held.go.call
    spec = replace(call.operation.spec, amount=Amount("amount", "currency", answered=("/amount", "/currency")))
    call = replace(call, operation=replace(call.operation, spec=spec))
    prices = {("stripe", spec.name): PRICE} if priced else {}
    return replace(held.go, call=call, charges=HELD), Policy("1", {}, {}, spending=Spending(prices=prices))


def ended(applied: Applied, status: int | None, body: bytes = ANSWER, **more: Any) -> Outcome:
    said = {"sent": Sent.YES if status is not None else Sent.NO, **more}
    return Outcome(applied, Health.OK, Retry.NEVER, status=status, body=body, **said)


@dataclass(frozen=True, slots=True)
class Row:
    """An outcome, and what the write took by it."""

    name: str
    outcome: Outcome
    took: tuple[int, ...]


NOT, YES = Applied.NOT_APPLIED, Applied.APPLIED

ROWS = (
    Row("as its answer says", ended(YES, 200), (1, 1, SHOWN, 7, PAID)),
    Row("its answer says nothing", ended(YES, 200, b"{}"), (1, 1, 12_000_000, 7, 62_440)),
    Row("its answer is no JSON", ended(YES, 200, b"<ok/>"), (1, 1, 12_000_000, 7, 62_440)),
    Row("its answer did not come whole", ended(YES, 200, fault=Fault.TRUNCATED), (1, 1, 12_000_000, 7, 62_440)),
    Row("of another currency", ended(YES, 200, b'{"amount": 1, "currency": "gbp"}'), (1, 1, 12_000_000, 7, 62_440)),
    Row("an amount below zero", ended(YES, 200, b'{"amount": -1, "currency": "usd"}'), (1, 1, 12_000_000, 7, 62_440)),
    Row("more than was held", ended(YES, 200, b'{"amount": 9900, "currency": "usd"}'), (1, 1, 99_000_000, 7, 62_440)),
    Row("refused", ended(NOT, 402), (1, 0, 0, 0, 0)),
    Row("moved elsewhere", ended(NOT, 301), (1, 0, 0, 0, PAID)),
    Row("never sent", ended(NOT, None), (0, 0, 0, 0, 0)),
    Row("sent, and nobody knows", ended(Applied.UNKNOWN, 500), ()),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_write(row: Row) -> None:
    """A write takes what its answer says, as much as was held where it does not say, and nothing that it did not do."""
    go, policy = judged(write())
    assert write_took(go, row.outcome, policy) == row.took


def test_unpriced() -> None:
    """Where nothing says what a call costs any more, it costs what was held."""
    go, policy = judged(write(), priced=False)
    assert write_took(go, ended(YES, 200), policy) == (1, 1, SHOWN, 7, 62_440)


@pytest.mark.parametrize(
    ("outcome", "body", "took"),
    [
        (ended(NOT, 200), ANSWER, (1, 0, 0, 0, PAID)),
        # Nobody read what was streamed.
        (ended(NOT, 200), None, (1, 0, 0, 0, 62_440)),
        (ended(NOT, 404), ANSWER, (1, 0, 0, 0, 0)),
        (ended(NOT, None, sent=Sent.YES, fault=Fault.TIMEOUT), None, (1, 0, 0, 0, 62_440)),
        (ended(NOT, None, fault=Fault.CONNECT), None, (0, 0, 0, 0, 0)),
    ],
)
def test_read(outcome: Outcome, body: bytes | None, took: tuple[int, ...]) -> None:
    """A read moves nothing, whatever its answer shows, and is paid by what was read of it."""
    go, policy = judged(read())
    assert read_took(go, outcome, body, policy) == took


@pytest.mark.parametrize(
    ("applied", "status", "body", "took"),
    [
        (True, 200, ANSWER, (1, 1, SHOWN, 7, PAID)),
        (True, None, None, (1, 1, 12_000_000, 7, 62_440)),
        (False, None, None, (1, 0, 0, 0, 62_440)),
        (False, 402, None, (1, 0, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_found_out(applied: bool, status: int | None, body: bytes | None, took: tuple[int, ...], known: bool) -> None:
    """A write that was in doubt was a call; without its request it took what was held of what it did."""
    go, policy = judged(write())
    call = go.call if known else None
    found = found_took(call, HELD, status, body, policy, applied=applied, judged_by="1")
    assert found == (took if known else (1, *((1, 12_000_000, 7) if applied else (0, 0, 0)), 62_440))


@pytest.mark.parametrize(
    ("applied", "status", "took"),
    [(True, 200, (1, 1, SHOWN, 7, 62_440)), (False, 301, (1, 0, 0, 0, 62_440)), (False, 402, (1, 0, 0, 0, 0))],
)
@pytest.mark.parametrize("judged_by", ["0", ""])
def test_found_under_another_policy(applied: bool, status: int, took: tuple[int, ...], judged_by: str) -> None:
    """What is found out under another version of the policy is paid as it was held; what was refused is free."""
    go, policy = judged(write())
    assert found_took(go.call, HELD, status, ANSWER, policy, applied=applied, judged_by=judged_by) == took


def test_uncharged() -> None:
    """A call above which no cap stands takes nothing."""
    go, policy = judged(write())
    assert write_took(replace(go, charges=()), ended(YES, 200), policy) == ()
    assert read_took(replace(go, charges=()), ended(YES, 200), ANSWER, policy) == ()
