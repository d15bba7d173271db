"""
Whether what reached an upstream is what was judged: one received request against one record, by two strangers' words.

The request was read by the parser of this folder, the route by its matcher, the card by its own copy; the record was
read from the ledger. `disagreements` says in sentences where they differ.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import h11

from tests.wire.parser import Message, Unparsable
from tests.wire.reading import Body, Field, Reading, read, read_key, read_media_type, tree
from tests.wire.record import Judged
from tests.wire.routes import Route, Routes, load
from tests.wire.stand import AMOUNT_RANGE, PRODUCT_NAMES, REPOSITORIES, RUNNERS_RANGE, SECRET_FORMS, may_pass
from tests.wire.upstream import Received

# What Breakwater adds to a request by itself: none of it comes from the agent, none of it is in the record's headers.
ADDED = frozenset({"host", "authorization", "content-length", "content-type", "accept-encoding", "idempotency-key"})

# What may be forwarded of an agent's headers, beside those that begin with `if-`, and those that dialects name.
FORWARDED = frozenset({"accept", "accept-language", "user-agent", "range", "traceparent", "tracestate"})
DIALECTS: Mapping[str, frozenset[str]] = {
    "stripe": frozenset({"stripe-version", "stripe-account", "stripe-context"}),
    "github": frozenset({"x-github-api-version", "x-github-next-global-id"}),
    "jira": frozenset({"x-atlassian-token", "x-experimentalapi", "x-force-accept-language"}),
}

# Of what a client may say about repeats, nothing may be said twice, and nothing leaves.
ONCE = ("idempotency-key", "breakwater-duplicate", "x-stainless-retry-count")

ROUTES: Mapping[str, Routes] = {api: load(api) for api in DIALECTS}


def disagreements(one: Received, judged: Judged | None, key: str) -> Iterator[str]:
    """
    Yield every way in which a received request is not what was judged.
    """
    if judged is None:
        yield "the ledger does not know it"
        return
    api, _, base = one.at.partition(".")
    try:
        reading = read(one.message)
    except Unparsable as why:
        yield f"it has no single meaning: {why}"
        return
    if not second_opinion(one.message):
        yield "h11 reads it in another way"
    names, route = ROUTES[api].match(base, reading.method, reading.segments)
    if judged.api != api or judged.document["base"] != base:
        yield f"it arrived at {one.at}, and {judged.api}.{judged.document['base']} was judged"
    if judged.operation not in names:
        yield f"{judged.operation} was judged; it reads as {sorted(names)}"
    if route is not None:
        yield from _card(api, route, names | {judged.operation}, reading)
        yield from _named(api, route, reading, judged.document)
    yield from _recorded(reading, judged.document)
    yield from _headers(api, one, reading, judged.document, key)


def misheard(asked: Message, door: str, one: Received) -> Iterator[str]:
    """
    Yield every way in which a received request is not what the agent's own bytes say, where those have one meaning.
    """
    yield from _repeated(asked, one.message)
    try:
        said, sent = read(asked), read(one.message)
    except Unparsable:
        return
    if said.header("content-encoding") is not None:
        return
    segments = said.segments[1:] if door == "shared" else said.segments
    parts = {
        "method": (said.method, sent.method),
        "path": (segments, sent.segments),
        "query": (said.query, sent.query),
        "body": (_rounded(said.body), _rounded(sent.body)),
    }
    for what, (asked_for, given) in parts.items():
        if asked_for != given:
            yield f"{what}: the agent said {asked_for!r}, {given!r} was sent"
    for pair in sent.headers:
        if pair[0] not in ADDED and pair not in said.headers:
            yield f"the agent did not send {pair}"


def _repeated(asked: Message, sent: Message) -> Iterator[str]:
    given = {name: asked.values(name) for name in ONCE}
    yield from (f"{name} was given {len(values)} times" for name, values in given.items() if len(values) > 1)
    for value in given["idempotency-key"]:
        key = read_key(value)
        if key is None:
            yield f"{value!r} is no idempotency key"
        elif {value, key} & set(sent.values("idempotency-key")):
            yield f"the agent's own idempotency key was sent: {value!r}"
    if given["breakwater-duplicate"] not in ([], ["allow"]):
        yield f"a duplicate was allowed by {given['breakwater-duplicate']}"
    yield from (f"{name} was sent" for name in ONCE[1:] if sent.values(name))


def _rounded(body: Body) -> object:
    # A number may be spelled in other words, as long as it is the same number to every reader of doubles.
    return (
        json.dumps(body.json, default=lambda one: float(one.text), sort_keys=True),
        body.form,
        body.multipart,
        body.opaque,
    )


def second_opinion(message: Message) -> bool:
    """
    Tell whether h11 takes the same bytes for the same message.
    """
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(message.raw)
    try:
        head, body = peer.next_event(), b""
        while isinstance(event := peer.next_event(), h11.Data):
            body += bytes(event.data)
    except h11.RemoteProtocolError:
        return False
    if not isinstance(head, h11.Request) or not isinstance(event, h11.EndOfMessage) or peer.trailing_data[0]:
        return False
    headers = [(name.lower().encode(), value.encode()) for name, value in message.headers]
    theirs = (head.method.decode(), head.target, [(bytes(n), bytes(v)) for n, v in head.headers], body)
    return theirs == (message.method, message.target, headers, message.body)


def _recorded(reading: Reading, said: Mapping[str, Any]) -> Iterator[str]:
    kind = said.get("media_type")
    recorded: dict[str, tuple[object, object]] = {
        "method": (reading.method, said["method"]),
        "segments": (list(reading.segments), said.get("segments", [])),
        "query": ([list(pair) for pair in reading.query], said.get("query", [])),
        "media type": (reading.media_type, read_media_type(kind)[0] if kind else None),
    }
    # A field that must never be stored is missing from the record on purpose.
    if "left_out" not in said:
        recorded["body"] = (_as_document(reading.body), said.get("body"))
    for what, (sent, written) in recorded.items():
        if sent != written:
            yield f"{what}: {written!r} was judged, {sent!r} was sent"


def _as_document(body: Body) -> object:
    match body.shape:
        case "form":
            return {"form": [list(pair) for pair in body.form]}
        case "json":
            return {"json": body.json}
        case "multipart":
            return {"parts": [_as_part(one) for one in body.multipart]}
        case "opaque":
            return {"bytes": base64.b64encode(body.opaque).decode(), "length": len(body.opaque)}
        case _:
            return None


def _as_part(one: Field) -> dict[str, object]:
    data = base64.b64encode(one.data).decode()
    return {"name": one.name, "filename": one.filename, "type": one.media_type, "data": data}


def _headers(api: str, one: Received, reading: Reading, said: Mapping[str, Any], key: str) -> Iterator[str]:
    everything = sorted([name, value] for name, value in reading.headers if name not in {"host", "authorization"})
    sent = [pair for pair in everything if pair[0] not in ADDED]
    # A write's record says what left; a read's says what was judged, and nothing else may have been added.
    if "sent_headers" in said:
        written, compared = said["sent_headers"], everything
    else:
        written, compared = [*said.get("headers", []), *said.get("redirecting", [])], sent
    if compared != sorted(written):
        yield f"headers: {written} were judged, {compared} were sent"
    for name, _ in sent:
        if name not in FORWARDED | DIALECTS[api] and not name.startswith("if-"):
            yield f"the header {name} was forwarded"
    if [value for name, value in reading.headers if name == "stripe-account"] not in ([], ["acct_listed"]):
        yield "an account that the card does not list"
    if reading.header("stripe-context") is not None:
        yield "a context that the card does not list"
    if key.encode() in one.message.raw:
        yield "the agent's key was sent"
    credentials = [value for name, value in reading.headers if name == "authorization"]
    if len(credentials) != 1 or not any(form in credentials[0].encode() for form in SECRET_FORMS):
        yield f"{len(credentials)} credentials were sent, or not the real one"


def _card(api: str, route: Route, names: frozenset[str], reading: Reading) -> Iterator[str]:
    """
    Judge it again, from what was sent.
    """
    if not may_pass(api, names):
        yield f"the card does not allow {route.name}"
    try:
        query, body = _arguments(api, reading)
    except Unparsable as why:
        yield f"its names have no single meaning: {why}"
        return
    yield from _values(route.name, reading, query, body)
    if route.name in {"payment_intents.create", "products.create"}:
        yield from (f"{name} is not declared" for name in body if name not in route.arguments["body"])
    # Where money moves a query says nothing; where a rule reads a name it stands in one place.
    if route.name == "payment_intents.create" and query:
        yield f"{sorted(query)} in the query of a payment"
    if route.name == "products.create" and "name" in query:
        yield "the name stands in the query too"


def _arguments(api: str, reading: Reading) -> tuple[Mapping[str, object], Mapping[str, object]]:
    query: Mapping[str, object] = tree(reading.query) if api == "stripe" else dict(reading.query)
    if reading.body.shape == "form":
        return query, tree(reading.body.form)
    return query, reading.body.json if isinstance(reading.body.json, dict) else {}


def _named(api: str, route: Route, reading: Reading, said: Mapping[str, Any]) -> Iterator[str]:
    """
    Ask that each argument that the operation does not declare is named in the record.
    """
    names: dict[str, list[str]] = {"query": [name for name, _ in reading.query], "body": []}
    names["body"] += [name for name, _ in reading.body.form] + [one.name for one in reading.body.multipart]
    names["body"] += list(reading.body.json) if isinstance(reading.body.json, dict) else []
    found = set(said.get("undeclared", []))
    for place, written in names.items():
        roots = {name.partition("[")[0] if api == "stripe" else name for name in written}
        for root in sorted(roots - route.arguments.get(place, {}).keys()):
            # The record spells out what a terminal would not print.
            spelled = {f"{place}.{name}" for name in (root, root.encode("unicode_escape").decode())}
            if not any(one.partition("[")[0] in spelled or one in spelled for one in found):
                yield f"{place}.{root} is not declared, and the record names {sorted(found)}"


def _values(name: str, reading: Reading, query: Mapping[str, object], body: Mapping[str, object]) -> Iterator[str]:
    match name:
        case "payment_intents.create":
            amount = body.get("amount")
            if not (isinstance(amount, str) and amount.isascii() and amount.isdigit() and int(amount) in AMOUNT_RANGE):
                yield f"the amount {amount!r}"
            if str(body.get("currency")).lower() != "usd":
                yield f"the currency {body.get('currency')!r}"
        case "products.create":
            if body.get("name") not in PRODUCT_NAMES:
                yield f"the name {body.get('name')!r}"
        case "actions/create-hosted-runner-for-org":
            count = body.get("maximum_runners")
            if isinstance(count, bool) or not isinstance(count, int) or count not in RUNNERS_RANGE:
                yield f"the number of runners {count!r}"
        case _:
            if name.startswith("issues/") and reading.segments[2] not in REPOSITORIES:
                yield f"the repository {reading.segments[2]!r}"
