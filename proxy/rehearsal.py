"""
A call judged without an upstream: the road from the request's bytes to the verdict, with the answers that a test tells.

It is the road that a real call takes, its own parsers, its own classification, its own gates and its own store: what a
policy test shows is what happens. Only what would have to be read from an API is told instead of read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from breakers.above import caps_above
from breakers.approval import reason_of
from breakers.call import Call, Caller, Request
from breakers.caveats import Caveat, moment, read_caveat
from breakers.decide import decide
from breakers.facts import Facts, Fetch, Fetched, Image, Looked
from breakers.known import NOTHING_KNOWN, Earlier, Known, State
from breakers.periods import PERIODS, span_of
from breakers.policy import Allowed, Policy
from breakers.spend import LIFE, Charge
from breakers.stops import ALL, RUNNING, Mode, Stop
from breakers.store.events import ReadHeld, ReadSettled
from breakers.store.memory import MemoryStore
from breakers.store.protocol import Exhausted
from breakers.task import Task
from breakers.verdict import Ask, Forward, Reason, Refuse, Suggest
from config.caps import NO_CAPS, Caps
from config.cases import FORWARD, SUGGEST, Written
from config.catalog import Subject, Touch
from config.faults import Unreadable, did_you_mean
from config.routes import Catalog
from proxy import classify
from proxy.canonical.bodies import admit_body, parse_body, refuse_key
from proxy.canonical.heads import Head, canonical_head
from proxy.canonical.target import parse_target
from proxy.errors import Refused, StartRefused
from proxy.exhausted import exhausted
from proxy.fetching import NO_ID, NO_MANNERS, plan_of
from proxy.identify import EXPIRED, UNKNOWN
from proxy.images import spell_image
from proxy.look import looked, planned, stored_image
from proxy.naming import Namer
from proxy.pages import goes_on, without_parts
from proxy.request_of import Sent, request_of
from proxy.sight import Sight, request_for

ROUNDS_MAX = 8

TASK_TTL = timedelta(hours=1)

BEFORE = "0" * 25 + "1"
"""The call that took what a case says was taken."""

NAMER = Namer(b"rehearsed")
"""Nothing that is named here is ever compared with what another process named."""


@dataclass(frozen=True, slots=True)
class Judged:
    """
    What came of a case: the verdict and, of a refusal, who said so and why. `rules` are what decided it, by name.

    Of what is parked `reason` is what its caller is told, and `causes` what parks it.
    """

    verdict: str
    gate: str = ""
    detail: str = ""
    details: tuple[tuple[str, str], ...] = ()
    operation: str = ""
    rules: tuple[str, ...] = ()
    charges: tuple[Charge, ...] = ()
    reason: str = ""
    causes: tuple[str, ...] = ()


async def rehearse(written: Written, policy: Policy, catalogs: Mapping[str, Catalog]) -> Judged:
    """
    Judge one case. Raise `StartRefused` where it names what the configuration does not know.
    """
    case = written.case
    catalog = catalogs.get(written.api)
    if catalog is None:
        raise StartRefused(f"no API is called `{written.api}`", did_you_mean(written.api, catalogs))
    if written.agent not in policy.agents:
        raise StartRefused(f"no agent is called `{written.agent}`", did_you_mean(written.agent, policy.agents))
    ((name, arguments),) = case.call.items()
    specs = catalog.named(name)
    if not specs:
        known = [one for spec in catalog.operations.values() for one in spec.names]
        raise StartRefused(f"`{written.api}` has no operation `{name}`", did_you_mean(name, known))
    try:
        caller = _caller(written, policy.agents[written.agent].environment)
        call = _call(written, caller, request_of(specs[0], catalog.dialect, arguments), catalog)
    except Refused as no:
        return Judged(str(no.reason), "edge", no.detail, operation=specs[0].name)
    return await _judged(call, written, policy, catalog)


def _call(written: Written, caller: Caller, sent: Sent, catalog: Catalog) -> Call:
    case, dialect = written.case, catalog.dialect
    head = _head(written, sent, catalog)
    target = parse_target(sent.target)
    (base, *_) = [spec.base for spec in catalog.named(next(iter(case.call)))]
    match = classify.classify(catalog, base, head.method, target)
    admit_body(match.spec, head)
    media_type, body = parse_body(match.spec, head, sent.body)
    refuse_key(sent.body, body)
    operation = classify.type_arguments(match, target.query, body, dialect.style)
    request = Request(
        base=base,
        method=head.method,
        segments=target.segments,
        query=target.query,
        headers=head.headers,
        media_type=media_type,
        body=body,
        dropped=head.dropped,
        redirecting=head.redirecting,
    )
    call = Call(
        id="0" * 26,
        at=written.at,
        api=written.api,
        caller=caller,
        operation=operation,
        request=request,
        idempotency_key=head.idempotency_key,
        duplicate=head.duplicate,
    )
    return replace(call, names=NAMER.names(call))


def _head(written: Written, sent: Sent, catalog: Catalog) -> Head:
    headers = {"Host": "localhost", **written.case.headers}
    if written.case.key is not None:
        headers["Idempotency-Key"] = written.case.key
    if sent.media_type is not None:
        headers |= {"Content-Type": sent.media_type, "Content-Length": str(len(sent.body))}
    raw = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
    dialect = catalog.dialect
    return canonical_head(sent.method, (1, 1), raw, dialect.forward_headers, dialect.redirecting_headers)


def _caller(written: Written, environment: str) -> Caller:
    case, agent, at = written.case, written.agent, written.at
    if not written.opened:
        return Caller(agent, "test", f"{agent}/{at.date().isoformat()}")
    said = case.labels.get
    task = Task(f"{agent}/test", agent, at, at + TASK_TTL, NO_CAPS, said("record"), None, said("model"), said("prompt"))
    caveats = tuple(_caveat(text, number) for number, text in enumerate(case.token))
    for caveat in caveats:
        _shown(caveat, at, environment)
    ids = ("test", *(caveat.id for caveat in caveats)) if caveats else ()
    return Caller(agent, "test", task.id, named=True, opened=task, tokens=ids, caveats=caveats)


def _caveat(text: str, number: int) -> Caveat:
    try:
        return read_caveat(text, f"test{number}")
    except Unreadable as wrong:
        raise StartRefused(f"`{text[:80]}` narrows no token: {wrong.message}", wrong.hint) from None


def _shown(caveat: Caveat, at: datetime, environment: str) -> None:
    """
    Refuse a token as it is where a caller shows it: by its time and its agent's environment.
    """
    match caveat.key:
        case "exp" if at >= moment(caveat.value):
            raise Refused(Reason.TOKEN_EXPIRED, EXPIRED)
        case "nbf" if at < moment(caveat.value):
            raise Refused(Reason.TOKEN_EXPIRED, EXPIRED)
        case "env" if environment != caveat.value:
            raise Refused(Reason.KEY_UNKNOWN, UNKNOWN)
        case "t" | "a" | "ip" | "peer":
            # Nothing in a case says whose or from where: it would pass here whatever it says.
            raise StartRefused(f"a case cannot tell whether `{caveat.key}` holds", "leave it out of `token`")
        case _:
            return


async def _judged(call: Call, written: Written, policy: Policy, catalog: Catalog) -> Judged:
    spec = call.operation.spec
    mode = written.case.stopped
    stops = RUNNING if mode is None else RUNNING.changed(Stop(ALL, Mode(mode), 2))
    facts = Facts(at=written.at, generation=0, stops=stops, known=_known(call, written))
    _refuse_uncapped(call, written, policy)
    allowed = policy.agents[written.agent].operations.get((call.api, spec.name))
    strict = isinstance(allowed, Allowed) and any(entry.needs_before for entry in allowed.entries)
    for _ in range(ROUNDS_MAX):
        match decide(call, policy, facts):
            case Ask(reads):
                facts = _told(call, facts, reads, written, catalog, strict=strict)
            case Refuse() as no:
                return Judged(str(no.reason), no.gate, no.detail, no.details, spec.name)
            case Suggest() as parked:
                return _parked(parked)
            case Forward() as go:
                return await _paid(go, written)
            case _:
                break
    raise StartRefused(f"`{written.case.case}` could not be judged", "see what its look-ups ask for")


def _parked(said: Suggest) -> Judged:
    """
    Return what comes of a write that is parked: nothing is taken for it before somebody lets it pass.
    """
    return Judged(
        SUGGEST,
        detail=" ".join(park.detail for park in said.parked),
        operation=said.call.operation.spec.name,
        rules=said.rules,
        reason=str(reason_of(said.parked)),
        # Which call was first is nobody's to write: a case has but one.
        causes=tuple(park.id.removesuffix(f":{BEFORE}") for park in said.parked),
    )


def _refuse_uncapped(call: Call, written: Written, policy: Policy) -> None:
    """
    Refuse a case that says what was taken of a cap that does not stand above its call: it would say nothing.
    """
    above = caps_above(call, policy.spending, written.at)
    caps = () if isinstance(above, Refuse) else above
    standing = {
        (cap.node.partition(":")[0], span_of(cap.period), name)
        for cap in caps
        for name in Caps.model_fields
        if name != "alert" and getattr(cap.caps, name) is not None
    }
    for kind, span in (("task", LIFE), *((kind, span) for kind in ("agent", "team", "api") for span in PERIODS)):
        spent = written.case.spent.of(kind, span)
        for name in Caps.model_fields:
            if name != "alert" and getattr(spent, name) is not None and (kind, span, name) not in standing:
                where = f"{kind}.{name}" if span == LIFE else f"{kind}.{span}.{name}"
                raise StartRefused(
                    f"no cap counts `spent.{where}` for this call", "cap it, or leave it out of the case"
                )


def _known(call: Call, written: Written) -> Known:
    """
    Return what a case says came before the call: an equal one of another key, which took effect.
    """
    ago_s, names = written.case.earlier_s, call.names
    if ago_s is None:
        return NOTHING_KNOWN
    if names is None:
        raise StartRefused("only a write can repeat an earlier one", "leave `earlier` out of the case")
    at = written.at - timedelta(seconds=ago_s)
    caller, spec = call.caller, call.operation.spec
    first = Earlier(
        BEFORE, State.COMPLETED, at, call.api, spec.name, caller.agent, caller.task, names.fingerprint,
        effect=names.effect, ended_at=at, applied=True, status=200,
    )  # fmt: skip
    return Known({name: (first,) for name in (names.fingerprint, names.effect) if name is not None})


async def _paid(go: Forward, written: Written) -> Judged:
    """
    Take what the call takes, from caps of which so much was taken already.
    """
    name, store = go.call.operation.spec.name, MemoryStore(lambda: written.at)
    charges = tuple(replace(one, amount=_spent(one, written)) for one in go.charges)
    spent = ReadSettled(BEFORE, tuple(one.amount for one in charges))
    await store.start([ReadHeld(BEFORE, written.at, charges), spent] if charges else [])
    generation = (await store.facts(go.call)).generation
    held = await store.reserve(replace(go, facts=replace(go.facts, generation=generation)))
    if isinstance(held, Exhausted):
        no = exhausted(held, written.at, go.call.caller.task)
        return Judged(str(no.reason), no.gate, no.detail, no.details, name, charges=go.charges)
    return Judged(FORWARD, operation=name, rules=go.rules, charges=go.charges)


def _spent(charge: Charge, written: Written) -> int:
    caps = written.case.spent.of(charge.node.partition(":")[0], span_of(charge.period))
    measure, _, currency = charge.measure.partition(":")
    if not currency:
        return int(getattr(caps, measure) or 0)
    return sum(one.micros for one in getattr(caps, measure) or () if one.currency == currency)


def _seen(touch: Touch, call: Call, written: Written, catalog: Catalog, *, strict: bool) -> Image:
    """
    Return an object as a test tells it; untold it was seen, unless that is what the card asks for.
    """
    sight = _sight(touch.object.read, written)
    if sight.failed is not None and strict:
        return Image(at=written.at, missing=sight.failed)
    return stored_image(sight.body or b"{}", written.at, call.operation.spec, catalog.named(touch.object.read)[0])


def _told(
    call: Call,
    facts: Facts,
    reads: tuple[Subject | Touch | Fetch, ...],
    written: Written,
    catalog: Catalog,
    *,
    strict: bool,
) -> Facts:
    looks: dict[Subject, Looked] = {}
    images: dict[Touch, Image] = {}
    fetched: dict[Fetch, Fetched] = {}
    for read in reads:
        match read:
            case Subject():
                sight = _sight(read.operation, written) if planned(call, read) else None
                looks[read] = looked(read, sight, catalog.dialect.title)
            case Touch():
                images[read] = _seen(read, call, written, catalog, strict=strict)
            case Fetch():
                fetched[read] = _fetched(read, call, written, catalog)
    return facts.with_looks(looks, images, fetched)


def _sight(operation: str, written: Written) -> Sight:
    if operation not in written.answers:
        return Sight(written.at, failed=_untold(operation))
    return Sight(written.at, 200, spell_image(written.answers[operation]))


def _fetched(read: Fetch, call: Call, written: Written, catalog: Catalog) -> Fetched:
    (spec, *_) = catalog.named(read.operation)
    if request_for(plan_of(read, spec, catalog.dialect.style), spec, call, NO_MANNERS) is None:
        return Fetched(failed=NO_ID)
    if read.operation not in written.answers:
        return Fetched(failed=_untold(read.operation))
    told, signs = written.answers[read.operation], catalog.dialect.pages
    if goes_on(told, (), signs) is not None:
        return Fetched(failed=f"`{read.operation}` goes on beyond what the test says of it")
    return Fetched(data=without_parts(told, signs), at=written.at)


def _untold(operation: str) -> str:
    return f"the test does not say what `{operation}` answers"
