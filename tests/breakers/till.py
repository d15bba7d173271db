"""A card with caps, a task, a token, and an API whose amounts have to be worked out, so that a test reads as a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from breakers.allowlist import compile_policy
from breakers.call import Call, Caller, Operation, Request
from breakers.caveats import Caveat
from breakers.decide import decide
from breakers.facts import Facts
from breakers.policy import Policy
from breakers.spend import Charge
from breakers.task import Above, Task
from breakers.verdict import Forward
from config.caps import NO_CAPS, Caps, Team
from config.catalog import Amount, Argument, Content, Effect, Kind, OperationSpec, Place, Subject
from config.dialect import Dialect
from config.lines import Lines
from config.policy import AgentCard
from config.routes import Catalog
from config.settings import ApiAccount
from tests.breakers.world import AT, QUIET

INVOICE = Subject(
    "invoice", Place.PATH, "invoices.get", "id", (), "/currency", ((1, "/due"),), (("/status", ("open",)),)
)

LINES = Lines(("/price/amount", "/price/decimal"), "/price/currency", "/times", frozenset({
    "price.amount", "price.decimal", "price.currency", "times",
}))  # fmt: skip


def _spec(name: str, declared: Mapping[str, Kind], effect: Effect = Effect.WRITE, **more: Any) -> OperationSpec:
    arguments = {}
    for key, kind in declared.items():
        place, _, bare = key.partition(".")
        arguments[Place(place), bare] = Argument(bare, Place(place), kind)
    method = "GET" if effect is Effect.READ else "POST"
    made = OperationSpec(
        "till", name, method, f"/{name}", "api", effect, {"application/json": Content.JSON}, arguments
    )  # fmt: skip
    return replace(made, **more)


MONEY = {"body.amount": Kind.INTEGER, "body.currency": Kind.STRING}

SPECS = (
    _spec("things.list", {"query.limit": Kind.INTEGER}, Effect.READ),
    _spec("invoices.get", {"path.id": Kind.STRING}, Effect.READ),
    _spec("pay", MONEY, amount=Amount("amount", "currency", answered=("/amount", "/currency"))),
    # What it says about money, nobody knows; what it says without, moves none.
    _spec("things.update", {"body.name": Kind.STRING, "body.credit": Kind.INTEGER}, harmless=frozenset({"name"})),
    _spec("things.create", {"body.name": Kind.STRING}, moves_nothing=True),
    _spec("things.bill", {"body.name": Kind.STRING}),
    _spec("invoices.pay", {"path.invoice": Kind.STRING}, amount=Amount(""), subjects=(INVOICE,)),
    # Whether what it states is what counts, nobody knows.
    _spec(
        "invoices.part",
        {"path.invoice": Kind.STRING, "body.part": Kind.INTEGER},
        amount=Amount("part", unbounded_by=("part",)),
        subjects=(INVOICE,),
    ),
    _spec(
        "invoices.refund",
        {"path.invoice": Kind.STRING, "body.amount": Kind.INTEGER, "body.fee": Kind.BOOLEAN},
        amount=Amount("amount", unbounded_by=("fee",)),
        subjects=(INVOICE,),
    ),
    _spec(
        "pay.back",
        {**MONEY, "body.fee": Kind.BOOLEAN, "body.share": Kind.BOOLEAN, "body.extra": Kind.BOOLEAN},
        amount=Amount(
            "amount", "currency", unbounded_by=("extra",), answered=("/amount", "/currency"), again=("fee", "share")
        ),
    ),
    _spec(
        "units.pay",
        {"body.unit": Kind.STRING, "body.times": Kind.NUMBER, "body.currency": Kind.STRING},
        amount=Amount("unit", "currency", decimals="minor", times="times"),
    ),
    _spec(
        "whole.pay",
        {"body.value": Kind.STRING, "body.currency": Kind.STRING},
        amount=Amount("value", "currency", decimals="units"),
    ),
    _spec(
        "carts.offer",
        {"body.lines": Kind.ARRAY, "body.tax": Kind.BOOLEAN},
        amount=Amount("lines", unbounded_by=("tax",), lines=LINES, offered=True),
    ),
    _spec("ask", {"body.max": Kind.INTEGER, "body.text": Kind.STRING}, moves_nothing=True),
)
TILL = Catalog.build("till", Dialect.model_validate({"exponents": {"ISK": 2}}), SPECS, "1" * 64)

PRICES = {
    "things.*": {"call": "0.001 USD"},
    "ask": {
        "call": "0.01 USD",
        "metered": [
            {"answer": "/usage/out", "each": "15 USD", "per": 1_000_000, "at_most": "body.max"},
            {"answer": "/usage/in", "each": "3 USD", "per": 1_000_000, "at_most": 1000},
        ],
    },
}


def capped(
    caps: Mapping[str, object] | None = None,
    *,
    rules: Mapping[str, object] | None = None,
    team: Mapping[str, object] | None = None,
    api: Mapping[str, object] | None = None,
    prices: Mapping[str, object] | None = None,
    **card: object,
) -> Policy:
    """
    Compile the card of the agent `clerk` with these caps, and those of its team and of the API account `till`.
    """
    written = {
        "purpose": "Sell things",
        "environment": "test",
        "allow": {"till": rules or {"*": {}}},
        "caps": caps or {},
    }
    named = {} if team is None else {"team": "sales"}
    account = {"catalog": "till", "credential": {"env": "X"}, "prices": prices or {}, **(api or {})}
    return compile_policy(
        {"clerk": AgentCard.model_validate({**written, **named, **card})},
        {"till": TILL},
        "v1",
        apis={"till": ApiAccount.model_validate(account)},
        teams={} if team is None else {"sales": Team.model_validate(team)},
    )


STANDING = "clerk/2026-11-21"

# Two of them are 5 USD: a line of a cart.
TEA = {"price": {"amount": 250, "currency": "usd"}, "times": 2}


def calling(
    name: str,
    said: Mapping[str, object] | None = None,
    *,
    task: Task | None = None,
    caveats: tuple[Caveat, ...] = (),
    mistyped: tuple[str, ...] = (),
    undeclared: tuple[str, ...] = (),
) -> Call:
    """
    Return a call of one operation; arguments are spelled `place.name`.
    """
    spec = TILL.operations[name]
    typed = {(Place(key.partition(".")[0]), key.partition(".")[2]): value for key, value in (said or {}).items()}
    caller = Caller("clerk", "key-1", task.id if task else STANDING, task is not None, task, (), caveats)
    request = Request("api", spec.method, (name,))
    return Call("01CALL", AT, "till", caller, Operation(spec, typed, mistyped, undeclared), request)


def pay(amount: object, currency: object = "usd", **more: Any) -> Call:
    """
    Return a call that moves so many minor units.
    """
    return calling("pay", {"body.amount": amount, "body.currency": currency}, **more)


def back(**said: object) -> Call:
    """
    Return a call that pays 2 USD back, with these arguments beside the amount.
    """
    body = {"amount": 200, "currency": "usd", **said}
    return calling("pay.back", {f"body.{name}": value for name, value in body.items()})


def task_of(agent: str = "clerk", caps: Mapping[str, object] | None = None, *above: Above) -> Task:
    """
    Return an opened task.
    """
    written = NO_CAPS if caps is None else Caps.model_validate(caps)
    return Task(f"{agent}/01TASK", agent, AT, UNTIL, written, above=above)


UNTIL = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)


def charges(judged: Policy, asked: Call, facts: Facts = QUIET) -> tuple[Charge, ...]:
    """
    Assert that the call passes, and return what it takes.
    """
    verdict = decide(asked, judged, facts)
    assert isinstance(verdict, Forward), verdict
    return verdict.charges


def told(judged: Policy, asked: Call, facts: Facts = QUIET) -> list[str]:
    """
    Return what a call takes as lines: `node period measure amount of cap`.
    """
    return [f"{one.node} {one.period} {one.measure} {one.amount} of {one.cap}" for one in charges(judged, asked, facts)]
