"""
Seeded mutations of valid requests: of their parts, of their bytes, and of the corpus itself.

`generate(kind, seed, index)` is a pure function: the three of them name one request, and are printed when it fails. Of
ten requests about five are valid in some client's spelling, two have parts bent in the ways that the catalogue's
classes name, two have bytes changed, and one is a row of the corpus with bytes changed.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.wire.corpus import CLASSES
from tests.wire.draft import AUTHS, EXTRAS, FORM, JSON, KINDS, OWN_KEY, Draft, Rng

# Bytes that mean something to some parser.
SHARP = (
    b"\r\n", b"\n", b"\r", b"\0", b"\t", b" ", b"%", b"%00", b"%2e", b"%2F", b"%25", b"..", b"/", b"//",
    b"\\", b";", b"&", b"=",
    b"#", b"?", b"[", b"]", b"[]", b"{", b"}",
    b'"', b"'", b",", b":", b"+", b"-", b"0", b"\xff", b"\xc3\xa9", b"@", b"*", b"0\r\n\r\n",
)  # fmt: skip

ROWS = tuple(case for name, cases in CLASSES.items() if name[0] in "AB" for case in cases)

# A row of the corpus longer than this says all that it says once.
_ROW_BYTES_MAX = 16_384


@dataclass(frozen=True, slots=True)
class Made:
    """
    One generated request: a template for one door, and how it came about.
    """

    door: str
    raw: bytes
    how: str


def generate(kind: str, seed: int, index: int) -> Made:
    """
    Return one request.
    """
    rng = random.Random(f"{kind}/{seed}/{index}")
    choice = rng.random()
    if choice < 0.1:
        return _row(rng)
    draft = KINDS[kind](rng)
    _dress(rng, draft)
    if 0.1 <= choice < 0.3:
        for _ in range(rng.choice([1, 1, 1, 2])):
            bend = rng.choice(BENDS)
            draft.bent.append(bend.__name__.strip("_"))
            bend(rng, draft)
    raw = draft.spell(rng).replace(b"@OWN@", f"{kind}-{seed}-{index}".encode())
    if 0.3 <= choice < 0.5:
        draft.bent.append("bytes")
        raw = scratch(rng, raw)
    return Made(draft.door, raw, "+".join(draft.bent) or "valid")


def _row(rng: Rng) -> Made:
    case = rng.choice(ROWS)
    while len(case.raw) > _ROW_BYTES_MAX:
        case = rng.choice(ROWS)
    return Made(case.door, scratch(rng, case.raw), f"row {case.name}")


def scratch(rng: Rng, raw: bytes) -> bytes:
    """
    Return bytes with one to three of them changed, inserted, removed, repeated or swapped.
    """
    for _ in range(rng.choice([1, 1, 2, 3])):
        at, end = rng.randrange(len(raw)), 0
        end = min(len(raw), at + rng.choice([1, 1, 2, 5, 20]))
        match rng.randrange(6):
            case 0:
                raw = raw[:at] + bytes([raw[at] ^ (1 << rng.randrange(8))]) + raw[at + 1 :]
            case 1:
                raw = raw[:at] + rng.choice(SHARP) + raw[at:]
            case 2:
                raw = raw[:at] + rng.choice(SHARP) + raw[end:]
            case 3:
                raw = raw[:at] + raw[end:] or raw
            case 4:
                raw = raw[:end] + raw[at:end] + raw[end:]
            case _:
                raw = raw[:at] + raw[at + 1 : at + 2] + raw[at : at + 1] + raw[at + 2 :]
    return raw


def _dress(rng: Rng, draft: Draft) -> None:
    draft.auth = rng.choice(AUTHS)
    draft.headers += rng.sample(EXTRAS, rng.randint(0, 4))
    if rng.random() < 0.5:
        draft.headers = [b'Idempotency-Key: "@OWN@"' if line == OWN_KEY else line for line in draft.headers]
    draft.chunked = draft.body is not None and rng.random() < 0.3
    if rng.random() < 0.2:
        draft.headers = [line.replace(b": ", rng.choice([b":", b":  ", b":\t"]), 1) for line in draft.headers]


# ------------------------------------------------------------------------------------------------ the classes, as bends


def _double(rng: Rng, draft: Draft) -> None:
    pairs = draft.body.split(b"&") if draft.body is not None and draft.media_type == FORM else draft.query
    if pairs:
        name = rng.choice(pairs).partition(b"=")[0]
        pairs.append(
            name + rng.choice([b"", b"[]", b"[0]", b"[a]", b"%20"]) + b"=" + rng.choice([b"100000", b"x", b""])
        )
    if draft.body is not None and draft.media_type == FORM:
        draft.body = b"&".join(pairs)


def _rename(rng: Rng, draft: Draft) -> None:
    if draft.body and draft.media_type == FORM:
        name = rng.choice(draft.body.split(b"&")).partition(b"=")[0]
        other = rng.choice(
            [name.title(), name + b"[", b"[" + name, name + b"]", name + b"[a][b]", name + b"[a[b]]", b"%" + name]
        )
        draft.body = draft.body.replace(name, other)


def _join(rng: Rng, draft: Draft) -> None:
    joint = rng.choice([b";", b"&&", b"&=", b"&amp;", b",", b"\n", b"%26", b"&_method=DELETE&"])
    if draft.body is not None and draft.media_type == FORM:
        draft.body = draft.body.replace(b"&", joint)
    else:
        draft.query = [joint.join([*draft.query, b"a=1"])]


def _elsewhere(rng: Rng, draft: Draft) -> None:
    if draft.body is not None and draft.media_type == FORM:
        draft.query += draft.body.split(b"&")
        draft.body = rng.choice([draft.body, b""])
    elif draft.query:
        draft.media_type, draft.body = FORM, b"&".join(draft.query)


def _segment(rng: Rng, draft: Draft) -> None:
    odd = [
        b".",
        b"..",
        b"",
        b"%2e%2e",
        b".%2E",
        b"%252e",
        b"%2F",
        b"a%2fb",
        b"%5C",
        b"\\",
        b";a=b",
        b"%3b",
        b"%00",
        b"%c0%ae",
    ]
    draft.segments.insert(
        rng.randint(0, len(draft.segments)), rng.choice([*odd, b"%ef%bc%8f", b"%u002e", b"%", b"%zz"])
    )


def _tail(rng: Rng, draft: Draft) -> None:
    draft.segments[-1] += rng.choice(
        [b"/", b".", b"%20", b".json", b"%0a", b";x", b"%2F", b"/.", b"//", b"*", b"!", b"'", b"|", b"^"]
    )


def _recase(rng: Rng, draft: Draft) -> None:
    at = rng.randrange(len(draft.segments))
    draft.segments[at] = rng.choice([draft.segments[at].upper(), draft.segments[at].title(), b"".join(
        b"%%%02x" % byte for byte in draft.segments[at])])  # fmt: skip


def _method(rng: Rng, draft: Draft) -> None:
    draft.method = rng.choice(
        [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"get", b"PURGE"]
    )


def _media(rng: Rng, draft: Draft) -> None:
    types = [
        FORM,
        JSON,
        b"text/plain",
        b"application/xml",
        b"",
        JSON + b"; charset=utf-7",
        FORM + b"; charset=utf-8",
        b"*/*",
    ]
    draft.media_type = rng.choice([*types, JSON + b";charset=UTF-8", b"multipart/form-data; boundary=B", None])


def _header(rng: Rng, draft: Draft) -> None:
    lines = [
        b"X-HTTP-Method-Override: DELETE", b"Content_Length: 3", b"Stripe-Account: acct_1",
        b"Stripe-Account: acct_listed",
        b"Expect: 100-continue", b"Expect: x", b"Content-Encoding: gzip", b"Content-Encoding: identity",
        b"Upgrade: h2c",
        b"Connection: close", b"Connection: Authorization", b"Host: evil.example", b"X: a\r\n b", b"X : a",
        b"X\0: a", b"X: \x01",
        b"Authorization: Bearer other", b"Content-Length: 3", b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: identity",
        b"Content-Type: text/plain", b"Breakwater-Task: t", b"Prefer: respond-async", b"Breakwater-Deadline-Ms: 5000",
        b"Idempotency-Key: a\r\nIdempotency-Key: b", b"TE: trailers", b"X-Original-URL: /v1/balance",
        b"Breakwater-Deadline-Ms: x", b"Breakwater-Duplicate: allow", b"Breakwater-Duplicate: deny",
        b'Idempotency-Key: "@OWN@', b'Idempotency-Key: "@OWN@";a=b', b'Idempotency-Key: "@OWN@\\""',
        b'Idempotency-Key: "@OWN@"\r\nIdempotency-Key: @OWN@', b"Idempotency-Key: @OWN@ x",
        b"X-Stainless-Retry-Count: 1\r\nX-Stainless-Retry-Count: 2", b"X-Stainless-Retry-Count: x",
    ]  # fmt: skip
    draft.headers.append(rng.choice(lines))


def _line(rng: Rng, draft: Draft) -> None:
    draft.version = rng.choice([b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.1 ", b"http/1.1"])


def _target(rng: Rng, draft: Draft) -> None:
    draft.fragment = rng.choice([b"#a", b"?", b"?a=1", b"&", b"&a", b"#", b"?_method=DELETE"])


def _json(rng: Rng, draft: Draft) -> None:
    if draft.body is not None and draft.media_type == JSON:
        twice = (
            draft.body.rstrip().removesuffix(b"}") + b',"display_name":"b","display_name":"c","maximum_runners":1000}'
        )
        odd = [
            b"\xef\xbb\xbf" + draft.body,
            draft.body + b"{}",
            draft.body + b"//",
            draft.body.replace(b":", b':-0.0,"z":', 1),
        ]
        odd += [
            draft.body.replace(b"1", b"1e400"),
            draft.body.replace(b"1", b"NaN"),
            draft.body.replace(b"a", b"\\ud800"),
        ]
        wide = b"\xff\xfe" + b"".join(bytes([byte, 0]) for byte in draft.body)
        odd += [draft.body.replace(b"}", b',"__proto__":{}}'), wide, b"[" + draft.body + b"]"]
        odd += [
            draft.body.replace(b"1", b"1E2"),
            draft.body.replace(b"1", b"9223372036854775808"),
            b" " * 50 + draft.body,
        ]
        draft.body = rng.choice([twice, *odd])


def _part(rng: Rng, draft: Draft) -> None:
    if draft.body is not None and draft.media_type is not None and draft.media_type.startswith(b"multipart"):
        before, after = rng.choice([
            (b'name="', b'name="_charset_"; name="'), (b'filename="', b'filename="../'), (b'name="purpose"',
            b'name="file"'),
            (b"\r\n\r\n", b"\n\n"), (b"form-data", b"attachment"), (b'"purpose"', b"purpose"), (b"--\r\n",
            b"--\r\nepilogue"),
            (b'name="', b"name*=utf-8''x; name=\""), (b'name="', b'name="a\\"'), (b'name="',
            b'name="%22'), (b"--", b"x--"),
            (b'name="', b'Name="'), (b"; ", b";"), (b"; ", b"  ;  "), (b"--\r\n", b"--"),
            (b'filename="', b'filename="a%0d%0a'),
        ])  # fmt: skip
        draft.body = draft.body.replace(before, after, 1)


def _length(rng: Rng, draft: Draft) -> None:
    if draft.body is not None:
        draft.headers.append(
            b"Content-Length: %d" % rng.choice([len(draft.body), len(draft.body) - 1, len(draft.body) + 1, 0])
        )
        draft.chunked = rng.random() < 0.5


def _pack(rng: Rng, draft: Draft) -> None:
    if draft.body is not None:
        draft.body = gzip.compress(draft.body, mtime=0)
        draft.headers.append(
            rng.choice([b"Content-Encoding: gzip", b"Content-Encoding: br", b"Content-Encoding: gzip, gzip"])
        )


def _bodied(rng: Rng, draft: Draft) -> None:
    if draft.body is None:
        draft.media_type, draft.body = rng.choice([(FORM, b"a=b"), (JSON, b"{}"), (None, b"x"), (FORM, b"")])


BENDS: tuple[Callable[[Rng, Draft], None], ...] = (
    _double, _rename, _join, _elsewhere, _segment, _segment, _tail, _recase, _method, _media, _header, _header,
    _line, _target,
    _json, _json, _part, _part, _length, _pack, _bodied,
)  # fmt: skip
