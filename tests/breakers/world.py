"""A small API of our own, a card, a call and what came before it, so that a policy test reads as policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from breakers.allowlist import compile_policy
from breakers.call import Call, Caller, Json, Operation, Request
from breakers.decide import decide
from breakers.facts import Facts, Looked
from breakers.known import Earlier, Known, State
from breakers.policy import Policy
from breakers.stops import ALL, Mode, Stop, Stops
from breakers.verdict import Again, Forward, Reason, Refuse, Repeat, Suggest, Verdict
from config.catalog import (
    NO_ARGUMENTS,
    Amount,
    Argument,
    Content,
    Effect,
    Kind,
    Marker,
    MarkerForm,
    OperationSpec,
    Place,
    Subject,
)
from config.dialect import Dialect
from config.policy import AgentCard
from config.routes import Catalog
from proxy.naming import Namer

AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
QUIET = Facts(at=AT, generation=0)
STOPPED = Facts(at=AT, generation=1, stops=Stops({ALL: Stop(ALL, Mode.STOP_WRITES, 2)}))

CHARGE = Subject("charge", Place.BODY, "charges.retrieve", "id", (), "/currency", ((1, "/amount"),))
INTENT = Subject("intent", Place.BODY, "intents.retrieve", "id", (), "/currency", ((1, "/amount"),))


def _spec(name: str, route: str, effect: Effect, declared: Mapping[str, Kind], **more: Any) -> OperationSpec:
    method, path = route.split()
    keys = {key: key.partition(".") for key in declared}
    arguments = {
        (Place(place), bare): Argument(bare, Place(place), declared[key]) for key, (place, _, bare) in keys.items()
    }
    contents = {"application/json": Content.JSON}
    made = OperationSpec("shop", name, method, path, "api", effect, contents, arguments or NO_ARGUMENTS)
    return replace(made, **more)


REFUND = {"body.amount": Kind.INTEGER, "body.charge": Kind.STRING, "body.intent": Kind.STRING, "body.why": Kind.STRING}
ISSUE = {"path.owner": Kind.STRING, "path.repo": Kind.STRING, "body.title": Kind.STRING, "body.labels": Kind.ARRAY}
COMMENT = {"path.number": Kind.INTEGER, "body.body": Kind.STRING}
LABELS = {"path.number": Kind.INTEGER, "body.labels": Kind.ARRAY}
SOURCE = {"path.customer": Kind.STRING, "path.id": Kind.STRING}

SPECS = (
    _spec("charges.retrieve", "GET /charges/{id}", Effect.READ, {"path.id": Kind.STRING}),
    _spec("intents.retrieve", "GET /intents/{id}", Effect.READ, {"path.id": Kind.STRING}),
    _spec("refunds.retrieve", "GET /refunds/{id}", Effect.READ, {"path.id": Kind.STRING}),
    _spec(
        "refunds.create",
        "POST /refunds",
        Effect.WRITE,
        REFUND,
        amount=Amount("amount"),
        subjects=(CHARGE, INTENT),
        effect_key="refund:{charge|intent}:{amount}",
        effect_window_s=86_400,
    ),
    _spec(
        "charges.create",
        "POST /charges",
        Effect.WRITE,
        {"body.amount": Kind.INTEGER, "body.currency": Kind.STRING},
        amount=Amount("amount", "currency"),
    ),
    # Its currency may be stated, or left to what it is about.
    _spec(
        "transfers.create",
        "POST /transfers",
        Effect.WRITE,
        {"body.amount": Kind.INTEGER, "body.currency": Kind.STRING, "body.charge": Kind.STRING},
        amount=Amount("amount", "currency"),
        subjects=(CHARGE,),
    ),
    _spec(
        "payouts.create",
        "POST /payouts",
        Effect.IRREVERSIBLE,
        {"body.amount": Kind.INTEGER},
        amount=Amount("amount"),
    ),
    _spec("payouts.cancel", "POST /payouts/{id}/cancel", Effect.WRITE, {"path.id": Kind.STRING}),
    _spec(
        "issues/list",
        "GET /repos/{owner}/{repo}/issues",
        Effect.READ,
        {
            "path.owner": Kind.STRING,
            "path.repo": Kind.STRING,
            "query.per_page": Kind.INTEGER,
            "query.ratio": Kind.NUMBER,
            "query.draft": Kind.BOOLEAN,
        },
    ),
    _spec("issues/create", "POST /repos/{owner}/{repo}/issues", Effect.WRITE, ISSUE),
    # It makes one each time, moves nothing, and can bear a mark.
    _spec(
        "comments/create",
        "POST /issues/{number}/comments",
        Effect.WRITE,
        COMMENT,
        effect_key="comment:{number}:{body}",
        effect_window_s=60,
        marker=Marker("body", MarkerForm.COMMENT, "/body"),
        curated=True,
    ),
    # Done twice it is as if it were done once.
    _spec("labels/set", "PUT /issues/{number}/labels", Effect.WRITE, LABELS, curated=True, probe_safe=True),
    _spec(
        "repos/transfer",
        "POST /repos/{owner}/transfer",
        Effect.WRITE,
        {"path.owner": Kind.STRING, "body.owner": Kind.STRING},
    ),
    # One route under two names: a rule may use either.
    _spec(
        "sources.delete",
        "DELETE /customers/{customer}/sources/{id}",
        Effect.IRREVERSIBLE,
        SOURCE,
        aliases=("cards.remove",),
    ),
    _spec(
        "cards.remove",
        "DELETE /customers/{customer}/sources/{id}",
        Effect.IRREVERSIBLE,
        SOURCE,
        aliases=("sources.delete",),
    ),
)
CATALOG = Catalog.build("shop", Dialect.model_validate({"exponents": {"ISK": 2}}), SPECS, "0" * 64)
NAMES = tuple(CATALOG.operations)

Rules = Mapping[str, object]
Values = Mapping[str, object]


def policy(
    allow: Rules,
    deny: tuple[str, ...] = (),
    headers: Mapping[str, list[str]] | None = None,
    *,
    roles: tuple[str, ...] = (),
    **card: object,
) -> Policy:
    """
    Compile one card of the agent `clerk`, where somebody holds these roles.
    """
    written = {
        "purpose": "Serve customers",
        "environment": "test",
        "allow": {"shop": allow},
        "deny": {"shop": list(deny)},
        "headers": headers or {},
        **card,
    }
    cards = {"clerk": AgentCard.model_validate(written)}
    return compile_policy(cards, {"shop": CATALOG}, "v1", roles=frozenset(roles))


def call(
    name: str,
    arguments: Values | None = None,
    *,
    mistyped: tuple[str, ...] = (),
    undeclared: tuple[str, ...] = (),
    redirecting: tuple[tuple[str, str], ...] = (),
    agent: str = "clerk",
    api: str = "shop",
    id: str = "01CALL",  # noqa: A002 the field's own name
) -> Call:
    """
    Return a call of one operation; arguments are spelled `place.name`.
    """
    spec = CATALOG.operations[name]
    typed = {(Place(key.partition(".")[0]), key.partition(".")[2]): value for key, value in (arguments or {}).items()}
    request = Request("api", spec.method, ("x",), redirecting=redirecting)
    operation = Operation(spec, typed, mistyped, undeclared)
    return Call(id, AT, api, Caller(agent, "key-1", "task-1"), operation, request)


NAMER = Namer(b"n" * 32)


def write(
    name: str,
    arguments: Values | None = None,
    *,
    id: str = "01CALL",  # noqa: A002 the field's own name
    key: str | None = None,
    agent: str = "clerk",
    api: str = "shop",
    **more: Any,
) -> Call:
    """
    Return a call whose request says its arguments, with the names under which it can be found again.
    """
    made = call(name, arguments, agent=agent, api=api, id=id)
    said = {place: {bare: v for (at, bare), v in made.operation.arguments.items() if at is place} for place in Place}
    segments = (name, *map(str, said[Place.PATH].values()))
    request = replace(made.request, segments=segments, media_type="application/json", body=Json(said[Place.BODY]))
    made = replace(made, request=request, idempotency_key=key, **more)
    return replace(made, names=NAMER.names(made))


def before(first: Call, state: State, ago: float = 5.0, **more: Any) -> Earlier:
    """
    Return the record of a call that came, and ended if it has, so many seconds ago; it took effect unless it says not.
    """
    assert first.names is not None
    at = AT - timedelta(seconds=ago)
    ended: dict[str, Any] = {"ended_at": at, "applied": True, "status": 201} if state is State.COMPLETED else {}
    return Earlier(
        intent=first.id,
        state=state,
        at=at,
        api=first.api,
        operation=first.operation.spec.name,
        agent=first.caller.agent,
        task=first.caller.task,
        fingerprint=first.names.fingerprint,
        key=first.names.key,
        effect=first.names.effect,
        **(ended | more),
    )


def known(*records: Earlier, stopped: bool = False) -> Facts:
    """
    Return facts in which these came before, each under its names, newest first.
    """
    under: dict[str, tuple[Earlier, ...]] = {}
    for one in sorted(records, key=lambda record: record.at):
        for name in (one.key, one.fingerprint, one.effect):
            if name is not None:
                under[name] = (one, *under.get(name, ()))
    return replace(STOPPED if stopped else QUIET, known=Known(under))


def looked(currency: str | None = None, bound_minor: int | None = None, failed: str | None = None) -> Facts:
    """
    Return facts in which the charge of a refund has been read.
    """
    return QUIET.with_looks({CHARGE: Looked(currency, bound_minor, failed)})


def allow(judged: Policy, asked: Call, facts: Facts = QUIET) -> Forward:
    """
    Assert that the call passes, and return by what.
    """
    verdict = decide(asked, judged, facts)
    assert isinstance(verdict, Forward), verdict
    return verdict


def deny(judged: Policy, asked: Call, reason: Reason, gate: str = "", facts: Facts = QUIET) -> Refuse:
    """
    Assert that the call is refused for this reason (by this gate), and return in which words.
    """
    verdict: Verdict = decide(asked, judged, facts)
    assert isinstance(verdict, Refuse), verdict
    assert verdict.reason is reason, verdict
    assert not gate or verdict.gate == gate, verdict
    return verdict


def park(judged: Policy, asked: Call, *causes: str, facts: Facts = QUIET) -> Suggest:
    """
    Assert that the call is parked by exactly these causes, in their order, and return in which words.
    """
    verdict = decide(asked, judged, facts)
    assert isinstance(verdict, Suggest), verdict
    assert tuple(one.id for one in verdict.parked) == causes, verdict
    return verdict


def repeat(judged: Policy, asked: Call, again: Again, facts: Facts) -> str:
    """
    Assert that the call is answered from one that came before, and return that one's id.
    """
    verdict = decide(asked, judged, facts)
    assert isinstance(verdict, Repeat), verdict
    assert verdict.again is again, verdict
    return verdict.earlier.intent
