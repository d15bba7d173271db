"""
A request as it is being thought up: parts that can be bent one by one, and the bytes that they make together.

Drafts begin valid: drawn for one door, from the operations that the card allows, with every value spelled in one of the
ways that a client may choose. What bends them is in `tests.wire.mutate`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.wire.case import MEANT

Rng = random.Random

FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")

# What people and models write into fields: words, spaces, signs that mean something to somebody, other scripts.
TEXTS = (
    "a", "widget", "Acme Corp", "a+b", "a&b=c", "100%", "%41", "x@y.example", "a/b", "..", "[x]", 'say "hi"',
    "back\\slash",
    "é", "日本語", "😀", "semi;colon", "#1", "what?", "a\nb", "\ttab", "1e3", "-0", "true", "null", "", "a" * 300,
    "<b>",
)  # fmt: skip
IDS = (
    "cus_1",
    "cus_9zz",
    "ch_a-b",
    "ACME",
    "docs",
    "support",
    "v1.2",
    "AB-1",
    "10001",
    "x~y",
    "a_b",
    "é",
    "a b",
    "a:b",
    "a@b",
)
AUTHS = (
    b"Authorization: Bearer @KEY@", b"authorization: bearer @KEY@", b"Authorization: token @KEY@",
    b"Breakwater-Key: @KEY@",
    b"Authorization: Basic @KEY64@", b"AUTHORIZATION:Basic @64KEY@",
)  # fmt: skip
# `@OWN@` is a word that no other request has.
OWN_KEY = b"Idempotency-Key: @OWN@"
EXTRAS = (
    b"Accept: */*", b"accept-language: en", b"User-Agent: sdk/1.0", b"X-Request-Id: 1", b"Cookie: a=b",
    b"Cache-Control: no-cache",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"X-Forwarded-For: 10.0.0.1",
    b"Range: bytes=0-9",
    b'If-None-Match: "x"', b"Accept-Encoding: gzip, deflate", OWN_KEY, b"X-Stainless-Retry-Count: 1",
    b"Stripe-Version: 2026-10-28.endive",
    b"X-GitHub-Api-Version: 2022-11-28", b"X-Atlassian-Token: no-check", b"Idempotency_Key: x",
    b"Connection: keep-alive",
    b"Stripe-Account: acct_listed",
)  # fmt: skip


@dataclass(slots=True)
class Draft:
    """
    One request's parts, each still as raw bytes; `bent` says what was done to it.
    """

    door: str
    method: bytes
    segments: list[bytes]
    query: list[bytes] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    media_type: bytes | None = None
    body: bytes | None = None
    chunked: bool = False
    auth: bytes = AUTHS[0]
    host: bytes = b"Host: @HOST@"
    version: bytes = b"HTTP/1.1"
    fragment: bytes = b""
    bent: list[str] = field(default_factory=list)

    def spell(self, rng: Rng) -> bytes:
        """
        Return the bytes that the parts make.
        """
        target = b"/" + b"/".join(self.segments) + (b"?" + b"&".join(self.query) if self.query else b"") + self.fragment
        lines = [self.host, self.auth, MEANT, *self.headers]
        if self.media_type is not None:
            lines.append(b"Content-Type: " + self.media_type)
        body = b""
        if self.body is not None and self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
            body = _chunks(rng, self.body)
        elif self.body is not None:
            lines.append(b"Content-Length: %d" % len(self.body))
            body = self.body
        rng.shuffle(lines)
        return b"\r\n".join([self.method + b" " + target + b" " + self.version, *lines, b"", b""]) + body


def _chunks(rng: Rng, body: bytes) -> bytes:
    spelled, at = b"", 0
    while at < len(body):
        size = rng.randint(1, max(1, len(body) - at))
        spelled += rng.choice([b"%x", b"%X", b"0%x"]) % size + b"\r\n" + body[at : at + size] + b"\r\n"
        at += size
    return spelled + b"0\r\n\r\n"


def encode(rng: Rng, text: str, *, plus: bool) -> bytes:
    """
    Return a text percent-encoded as some client would: more than is needed, or in small letters, or with `+`.
    """
    eager, form = rng.random() < 0.15, rng.choice([b"%%%02X", b"%%%02x"])
    spelled = b""
    for byte in text.encode():
        if byte == 0x20 and plus and rng.random() < 0.5:
            spelled += b"+"
        elif byte in _PLAIN and not (eager and rng.random() < 0.3):
            spelled += bytes([byte])
        else:
            spelled += form % byte
    return spelled


def pair(rng: Rng, name: str, value: str) -> bytes:
    """
    Return a pair of a query or form; brackets in its name may stand as they are.
    """
    spelled = encode(rng, name, plus=True)
    if rng.random() < 0.7:
        spelled = spelled.replace(b"%5B", b"[").replace(b"%5D", b"]").replace(b"%5b", b"[").replace(b"%5d", b"]")
    return spelled + b"=" + encode(rng, value, plus=True)


def _some(rng: Rng, options: Mapping[str, Callable[[], str]], most: int = 4) -> list[tuple[str, str]]:
    names = rng.sample(sorted(options), rng.randint(0, min(most, len(options))))
    return [(name, options[name]()) for name in names]


def _id(rng: Rng) -> bytes:
    return encode(rng, rng.choice(IDS), plus=False)


def _json(rng: Rng, value: object) -> bytes:
    if isinstance(value, dict):
        members = list(value.items())
        rng.shuffle(members)
        value = dict(members)
    gap = rng.choice(["", " ", "\n"])
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5, separators=(f",{gap}", f":{gap}"))
    return (gap + text + gap).encode()


def _value(rng: Rng, depth: int = 0) -> object:
    plain: list[object] = [rng.choice(TEXTS), rng.randint(-5, 10**9), rng.choice([1.5, 0.1, 1e30]), True, False, None]
    if depth < 3 and rng.random() < 0.4:
        if rng.random() < 0.5:
            return [_value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
        return {rng.choice("abcdé "): _value(rng, depth + 1) for _ in range(rng.randint(0, 3))}
    return rng.choice(plain)


# ------------------------------------------------------------------------------------------------------------- by door


def stripe_forms(rng: Rng) -> Draft:
    """
    Return a call of Stripe's first version: reads with a query, writes with a form.
    """

    def text() -> str:
        return rng.choice(TEXTS)

    def money() -> str:
        return str(rng.choice([50, 100, 9_999, 10_000, 49, 10_001, 0, -1]))

    listed = {"limit": lambda: str(rng.randint(1, 100)), "email": text, "created[gte]": lambda: "1700000000"}
    more = {"expand[0]": lambda: "data.x", "metadata[a]": text, "metadata[b c]": text, "description": text}
    address = {
        "address[line1]": text,
        "shipping[address][city]": text,
        "preferred_locales[]": lambda: "en",
        "balance": money,
    }
    match rng.randrange(7):
        case 0:
            return Draft("stripe", rng.choice([b"GET", b"GET", b"HEAD"]), [b"v1", b"customers", _id(rng)])
        case 1:
            query = [pair(rng, *one) for one in _some(rng, listed)]
            return Draft("stripe", b"GET", [b"v1", b"customers"], query)
        case 2:
            return Draft("stripe", b"GET", [b"v1", b"charges", _id(rng)], [pair(rng, "expand[]", "customer")])
        case 3:
            pairs = [("amount", money()), ("currency", rng.choice(["usd", "usd", "USD", "eur"])), *_some(rng, more)]
            segments = [b"v1", b"payment_intents"]
        case 4:
            pairs = [("name", rng.choice(["widget", "gadget", "other"])), ("metadata[a]", text())]
            segments = [b"v1", b"products"]
        case 5:
            pairs, segments = _some(rng, more | address, 6), [b"v1", b"customers"]
        case _:
            pairs, segments = _some(rng, more | address, 6), [b"v1", b"customers", _id(rng)]
    rng.shuffle(pairs)
    return Draft("stripe", b"POST", segments, media_type=FORM, body=b"&".join(pair(rng, *one) for one in pairs))


def stripe_json(rng: Rng) -> Draft:
    """
    Return a call of Stripe's second version: reads with a query, writes with JSON.
    """
    accounts = [b"v2", b"core", b"accounts"]
    text = rng.choice(TEXTS)
    body: dict[str, object] = {
        "display_name": text,
        "metadata": {"a": text},
        "include": ["identity"],
        "extra": _value(rng),
    }
    match rng.randrange(5):
        case 0:
            return Draft("stripe", b"GET", [*accounts, _id(rng)], [pair(rng, "include[0]", "identity")])
        case 1:
            return Draft("stripe", b"GET", accounts, [pair(rng, "limit", "3"), pair(rng, "closed", "true")])
        case 2:
            event = {
                "event_name": text,
                "payload": {"value": "1", "x": _value(rng)},
                "timestamp": "2026-11-21T00:00:00Z",
            }
            return Draft(
                "stripe", b"POST", [b"v2", b"billing", b"meter_events"], media_type=JSON, body=_json(rng, event)
            )
        case 3:
            return Draft("stripe", b"POST", accounts, media_type=JSON, body=_json(rng, body))
        case _:
            return Draft("stripe", b"POST", [*accounts, _id(rng)], media_type=JSON, body=_json(rng, body))


def multipart(rng: Rng, fields: list[tuple[str, str | None, bytes]]) -> tuple[bytes, bytes]:
    """
    Return a media type and a body of fields, each a name, a file name and its data.
    """
    boundary = rng.choice([b"B", b"----WebKitFormBoundary7MA4YWxk", b"a'b_c-d", b"0" * 70])
    body = b""
    for name, filename, data in fields:
        head = b'Content-Disposition: form-data; name="%s"' % name.encode()
        if filename is not None:
            head += b'; filename="%s"' % filename.encode()
            head += rng.choice([b"", b"\r\nContent-Type: image/png", b"\r\nContent-Type: application/octet-stream"])
        body += b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n"
    spelled = b'"%s"' % boundary if rng.random() < 0.3 else boundary
    return b"multipart/form-data; boundary=" + spelled, body + b"--" + boundary + b"--\r\n"


def stripe_files(rng: Rng) -> Draft:
    """
    Return an upload to Stripe's base for files.
    """
    data = bytes(rng.choices(range(256), k=rng.randint(0, 200))) + rng.choice([b"", b"\r\n", b"\r\n--B", b"--B--\r\n"])
    name = rng.choice(["a.png", "é.pdf", "a b.txt", "report.tar.gz"])
    fields = [("purpose", None, b"business_logo"), ("file", name, data)]
    if rng.random() < 0.5:
        fields.append((rng.choice(["expand[]", "file_link_data[create]"]), None, b"true"))
    media_type, body = multipart(rng, fields)
    return Draft("stripe.files", b"POST", [b"v1", b"files"], media_type=media_type, body=body)


def github(rng: Rng) -> Draft:
    """
    Return a call of GitHub's API.
    """
    repo = [b"repos", b"acme", encode(rng, rng.choice(["docs", "support", "other"]), plus=False)]
    issue = {"title": rng.choice(TEXTS), "labels": ["bug"], "milestone": None, "extra": _value(rng)}
    match rng.randrange(8):
        case 0:
            return Draft("github", rng.choice([b"GET", b"HEAD"]), repo)
        case 1:
            path = [_id(rng) for _ in range(rng.randint(1, 4))]
            return Draft("github", b"GET", [*repo, b"contents", *path], [pair(rng, "ref", "main")])
        case 2:
            ends = encode(rng, "a", plus=False) + rng.choice([b"...", b"%2e..", b".."]) + _id(rng)
            return Draft("github", b"GET", [*repo, b"compare", ends])
        case 3:
            query = [pair(rng, "state", "all"), pair(rng, "labels", "a,b"), pair(rng, "page", "2")]
            return Draft("github", b"GET", [*repo, b"issues"], query)
        case 4:
            return Draft("github", b"GET", [b"search", b"code"], [pair(rng, "q", rng.choice(TEXTS))])
        case 5:
            return Draft("github", b"PUT", [b"user", b"following", _id(rng)])
        case 6:
            runners = {"name": "a", "maximum_runners": rng.choice([1, 50, 51, 0, "10", 10.0, True])}
            segments = [b"orgs", b"acme", b"actions", b"hosted-runners"]
            return Draft("github", b"POST", segments, media_type=JSON, body=_json(rng, runners))
        case _:
            return Draft("github", b"POST", [*repo, b"issues"], media_type=JSON, body=_json(rng, issue))


def jira(rng: Rng) -> Draft:
    """
    Return a call of Jira's API, under any of its versions' names.
    """
    rest = [b"rest", b"api", rng.choice([b"3", b"2", b"latest"])]
    issue = {"fields": {"summary": rng.choice(TEXTS), "x": _value(rng)}, "update": {}}
    match rng.randrange(6):
        case 0:
            query = [pair(rng, "fields", "summary"), pair(rng, "fields", "status"), pair(rng, "expand", "names")]
            return Draft("jira", b"GET", [*rest, b"issue", _id(rng)], query[: rng.randint(0, 3)])
        case 1:
            query = [
                pair(rng, "jql", rng.choice(["project = AB", 'text ~ "a"', *TEXTS])),
                pair(rng, "maxResults", "50"),
            ]
            return Draft("jira", b"GET", [*rest, b"search", b"jql"], query)
        case 2:
            media_type, body = multipart(rng, [("file", "a.txt", b"text")])
            return Draft("jira", b"POST", [*rest, b"issue", _id(rng), b"attachments"], media_type=media_type, body=body)
        case 3:
            comment = {"body": _value(rng)}
            return Draft(
                "jira", b"POST", [*rest, b"issue", _id(rng), b"comment"], media_type=JSON, body=_json(rng, comment)
            )
        case 4:
            query = [pair(rng, "notifyUsers", "false")]
            return Draft("jira", b"PUT", [*rest, b"issue", _id(rng)], query, media_type=JSON, body=_json(rng, issue))
        case _:
            return Draft("jira", b"POST", [*rest, b"issue"], media_type=JSON, body=_json(rng, issue))


def shared(rng: Rng) -> Draft:
    """
    Return any of them through the shared port, under its door's prefix.
    """
    draft = rng.choice([stripe_forms, stripe_json, stripe_files, github, jira])(rng)
    draft.segments.insert(0, draft.door.encode())
    draft.door = "shared"
    return draft


KINDS: Mapping[str, Callable[[Rng], Draft]] = {
    "stripe-forms": stripe_forms,
    "stripe-json": stripe_json,
    "stripe-files": stripe_files,
    "github": github,
    "jira": jira,
    "shared": shared,
}
