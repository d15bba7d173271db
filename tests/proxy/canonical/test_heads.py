"""The head of a request: framing, credentials and headers with one meaning."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.verdict import Reason
from proxy.canonical.heads import DEADLINE_MS_MAX, HEADERS_MAX, METHODS, Head, LastHead, canonical_head
from proxy.errors import Refused
from tests.proxy.canonical.refusals import refused

FORWARD = frozenset({"stripe-version", "x-api-key", "x-forwarded-for", "proxy-anything", "cookie"})
REDIRECTING = frozenset({"stripe-account"})


def head(
    *lines: str | bytes, method: str = "POST", version: tuple[int, int] = (1, 1), host: str = "Host: localhost"
) -> Head:
    """
    Read a head from its lines, with a Host unless it is given another.
    """
    raw = [line.encode("latin-1") if isinstance(line, str) else line for line in (host, *lines) if line]
    fields = tuple((name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in raw))
    return canonical_head(method, version, fields, FORWARD, REDIRECTING)


MALFORMED: list[list[str | bytes]] = [
    # A1, A2, A3: lengths
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 5"],
    ["Content-Length: 5", "content-length: 6"],
    ["Content-Length: 5, 5"],
    ["Content-Length: +5"],
    ["Content-Length: -1"],
    ["Content-Length: 0x10"],
    ["Content-Length: 5_0"],
    ["Content-Length:"],
    ["Content-Length: 12345678901234567890"],
    [b"Content-Length: \xd9\xa5"],
    # A4: transfer codings
    ["Transfer-Encoding: ,chunked"],
    ["Transfer-Encoding: chunked, identity"],
    ["Transfer-Encoding: xchunked"],
    ["Transfer-Encoding: chunked;q=1"],
    ["Transfer-Encoding: \x0bchunked"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: identity"],
    ["Transfer-Encoding:"],
    # A17, A18: names and values
    ["Na me: x"],
    ["Name : x"],
    [" Name: x"],
    [": x"],
    [b"N\xe4me: x"],
    ["Name\0: x"],
    ["X-A: a\0b"],
    ["X-A: a\rb"],
    ["X-A: a\nb"],
    ["X-A: a\x1bb"],
    ["X-A: a\tb"],
    ["X-A: a\x7fb"],
    [b"X-A: \xc3\xa9"],
    # T10: what must not stand twice
    ["Authorization: Bearer a", "Authorization: Bearer b"],
    ["Authorization: Bearer a", "authorization: Bearer a"],
    ["Content-Type: application/json", "Content-Type: text/plain"],
    ["Content-Encoding: identity", "Content-Encoding: identity"],
    ["Breakwater-Key: a", "Breakwater-Key: b"],
    ["Breakwater-Anything: a", "Breakwater-Anything: b"],
    ["Stripe-Version: a", "Stripe-Version: b"],
    ["Stripe-Account: a", "Stripe-Account: b"],
    ["Range: bytes=0-1", "Range: bytes=0-2"],
    # our own headers
    ["Breakwater-Duplicate: yes"],
    ["Breakwater-Deadline-Ms: 0"],
    ["Breakwater-Deadline-Ms: -1"],
    ["Breakwater-Deadline-Ms: 1e3"],
    [f"Breakwater-Deadline-Ms: {DEADLINE_MS_MAX + 1}"],
    # C1: our key where it would be sent on
    ["User-Agent: sdk/bwk_abcd2345_not0a0real0secret0at0all"],
    ["Stripe-Account: bwk_abcd2345_not0a0real0secret0at0all"],
]

BAD_HOSTS = [
    "",
    "Host:",
    "Host: a@b",
    "Host: a b",
    "Host: a\0",
    "Host: a:99999",
    "Host: a:0",
    "Host: a:",
    "Host: a:x",
    "Host: a:007x",
    "Host: a/b",
    "Host: a,b",
    "Host: a..b",
    "Host: .a",
    "Host: a.",
    "Host: http://a",
    "Host: [[::1]]",
    "Host: [::1",
    "Host: ::1",
    "Host: " + "a" * 64,
    "Host: " + ".".join(["a" * 60] * 5),
]


@pytest.mark.parametrize("lines", MALFORMED, ids=repr)
def test_malformed_heads(lines: list[str | bytes]) -> None:
    """A head that two parsers may read differently is refused."""
    with refused(Reason.HEAD_MALFORMED):
        head(*lines)


@pytest.mark.parametrize("host", BAD_HOSTS, ids=repr)
def test_bad_hosts(host: str) -> None:
    """A request names exactly one well-formed host."""
    with refused(Reason.HEAD_MALFORMED):
        head(host=host)


def test_two_hosts() -> None:
    """Two hosts are refused, even where they are the same."""
    with refused(Reason.HEAD_MALFORMED):
        head("Host: localhost")


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [("a.B-c_d.example:8080", "a.b-c_d.example", 8080), ("127.0.0.1", "127.0.0.1", None), ("[::1]:80", "[::1]", 80)],
)
def test_hosts(host: str, name: str, port: int | None) -> None:
    """A host is read in lower case, with its port."""
    read = head(host=f"Host: {host}")
    assert (read.host, read.port) == (name, port)


@pytest.mark.parametrize("version", [(0, 9), (1, 2), (2, 0), (3, 0)])
def test_versions(version: tuple[int, int]) -> None:
    """Only HTTP/1.1 and 1.0 are spoken."""
    with refused(Reason.VERSION_UNSUPPORTED):
        head(version=version)


@pytest.mark.parametrize(
    "method", ["get", "Post", "PURGE", "QUERY", "TRACE", "PROPFIND", "OPTIONS", "CONNECT", "G" * 300, ""]
)
def test_methods(method: str) -> None:
    """A method that is none of six is not allowed."""
    with refused(Reason.METHOD_NOT_ALLOWED):
        head(method=method)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_known_methods(method: str) -> None:
    """The six methods that APIs use pass."""
    assert head(method=method).method == method


def test_first_fault() -> None:
    """Of several faults the same one is told, in whatever order the headers stand."""
    faults = ["Expect: 200-ok", "Content-Length: x", "Breakwater-Duplicate: no", "Idempotency-Key: a b"]
    for lines in (faults, faults[::-1]):
        with refused(Reason.IDEMPOTENCY_KEY_MALFORMED):
            head(*lines)
    for lines in (faults[:2], faults[1::-1]):
        with refused(Reason.HEAD_MALFORMED):
            head(*lines)


def test_chunked_in_old_version() -> None:
    """A transfer coding in HTTP/1.0 is refused."""
    with refused(Reason.HEAD_MALFORMED):
        head("Transfer-Encoding: chunked", version=(1, 0))


@pytest.mark.parametrize(
    "lines",
    [
        ["Expect: 100-continue, foo"],
        ["Expect: y"],
        ["Expect:"],
        ["Expect: 100-continue", "Expect: 100-continue"],
    ],
)
def test_expectations(lines: list[str]) -> None:
    """An expectation that cannot be met, or stands twice, is refused as such."""
    with refused(Reason.EXPECTATION_FAILED):
        head(*lines)


@pytest.mark.parametrize(
    "line",
    [
        # B20: content codings
        "Content-Encoding: gzip",
        "Content-Encoding: gzip, gzip",
        "Content-Encoding: br",
        "Content-Encoding: x",
        "Content-Encoding: identity, identity",
        "Content-Encoding:",
        # B18: media types
        "Content-Type: application/json, text/plain",
        "Content-Type: application/json; charset=utf-7",
        "Content-Type: application/json; charset=utf-8; charset=utf-8",
        "Content-Type: application/json; charset",
        "Content-Type: application/json; profile=x",
        "Content-Type: application/json;",
        "Content-Type: json",
        "Content-Type:",
        "Content-Type: a/b/c",
        "Content-Type: multipart/form-data; boundary=",
        'Content-Type: multipart/form-data; boundary="a<b"',
        "Content-Type: multipart/form-data; boundary=" + "a" * 71,
        "Content-Type: application/json; boundary=a",
    ],
)
def test_media_types(line: str) -> None:
    """A coded body, two types, another charset or a parameter that means something else is refused."""
    with refused(Reason.MEDIA_TYPE_UNSUPPORTED):
        head(line)


@pytest.mark.parametrize(
    "lines",
    [["X-A: 1"] * HEADERS_MAX, ["X-A: " + "a" * 9_000], [f"X-{n}: " + "a" * 8_000 for n in range(9)]],
    ids=["129 headers", "9 kB field", "72 kB head"],
)
def test_large_heads(lines: list[str]) -> None:
    """Too many or too large headers are refused as such."""
    with refused(Reason.HEAD_TOO_LARGE):
        head(*lines)


def test_what_an_sdk_sends() -> None:
    """Of an SDK's head the listed headers leave, sorted and lower-case; the rest is read here or named as dropped."""
    read = head(
        "Authorization: Bearer some-key",
        "User-Agent: Stripe/v1 PythonBindings/16.1.0",
        "X-Stripe-Client-User-Agent: {}",
        "Stripe-Version: 2026-10-28.endive",
        "Stripe-Account: acct_1",
        "Idempotency-Key: 7d5c9f0e",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
        "Content-Type: Application/JSON; Charset=UTF-8",
        "Content-Length: 12",
    )
    assert read.headers == (
        ("accept", "*/*"),
        ("stripe-version", "2026-10-28.endive"),
        ("user-agent", "Stripe/v1 PythonBindings/16.1.0"),
    )
    assert read.redirecting == (("stripe-account", "acct_1"),)
    assert read.dropped == ("x-stripe-client-user-agent",)
    assert (read.authorization, read.idempotency_key) == ("Bearer some-key", "7d5c9f0e")
    assert (read.content_length, read.chunked, read.announces_body) == (12, False, True)
    assert read.media is not None
    assert read.media.spelled == "application/json; charset=utf-8"


DROPPED = [
    # A11, A16: upgrades, underscores
    "Upgrade: h2c",
    "Content_Length: 5",
    "Idempotency_Key: a",
    "X_Api_Key: a",
    "Transfer_Encoding: chunked",
    # A9: trailers
    "Trailer: Authorization",
    "TE: trailers",
    # B12: overrides
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    # C1, C3: credentials and routing, even where a dialect lists them
    "Cookie: a=b",
    "Proxy-Authorization: Basic eA==",
    "X-Api-Key: a",
    "Proxy-Anything: a",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-Host: evil",
    "Forwarded: for=x",
    "X-Real-IP: 127.0.0.1",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "Via: 1.1 x",
    "X-Anything: 1",
    "Breakwater-Anything: 1",
    # a trace that is none, or that a hop keeps to itself
    "traceparent: 00-x-y-01",
    "traceparent: 00-00000000000000000000000000000000-0000000000000001-01",
    "tracestate: a=b",
]


@pytest.mark.parametrize("line", DROPPED)
def test_dropped(line: str) -> None:
    """What is not listed never leaves, twice or once, and its name is kept."""
    read = head(line)
    assert read.headers == ()
    assert read.redirecting == ()
    assert read.dropped == (line.partition(":")[0].lower(),)
    assert (read.authorization, read.idempotency_key, read.content_length, read.chunked) == (None, None, None, False)


def test_nominated_by_connection() -> None:
    """A header that Connection keeps to this hop does not leave; one that redirects is judged all the same."""
    read = head("Connection: close, Range, Stripe-Account", "Range: bytes=0-1", "Stripe-Account: acct_1")
    assert read.headers == ()
    assert read.dropped == ("range",)
    assert read.redirecting == (("stripe-account", "acct_1"),)


def test_own_headers() -> None:
    """Breakwater's own headers and preferences are read and do not leave."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    read = head(
        "Breakwater-Key: k",
        "Breakwater-Task: t",
        "Breakwater-Duplicate: allow",
        "Breakwater-Deadline-Ms: 2500",
        "Prefer: respond-async, wait=3, handling=lenient",
        "Expect: 100-Continue",
        f"traceparent: {trace}",
        "tracestate: a=b",
    )
    assert read.headers == (("traceparent", trace), ("tracestate", "a=b"))
    assert (read.breakwater_key, read.task, read.duplicate, read.deadline_ms) == ("k", "t", True, 2500)
    assert (read.prefer, read.expects_continue, read.trace) == (("respond-async", "wait=3"), True, trace)
    assert read.dropped == ()


def test_last_head() -> None:
    """A head that its connection sent before is the same again; another method, version, line or list is read anew."""
    lines, long = ((b"Host", b"h"), (b"X-A", b"1")), ((b"Host", b"h"), (b"X-A", b"1" * 3000))
    none: frozenset[str] = frozenset()
    last = LastHead()

    def read(*said: Any) -> Head:
        return last.read(*said)

    known = read("GET", (1, 1), lines, none, none)
    assert read("GET", (1, 1), (lines[0], lines[1]), none, none) is known
    with pytest.raises(Refused):
        read("GET", (2, 0), lines, none, none)
    assert read("GET", (1, 1), lines, none, none) is known
    assert read("GET", (1, 1), long, none, none) is not read("GET", (1, 1), long, none, none)
    for said in (
        ("GET", (1, 1), lines, frozenset({"x-a"}), none),
        ("GET", (1, 1), lines, none, frozenset({"x-a"})),
        ("GET", (1, 0), lines, none, none),
        ("HEAD", (1, 1), lines, none, none),
        ("GET", (1, 1), (*lines, (b"Prefer", b"wait=1")), none, none),
    ):
        assert read(*said) == canonical_head(*said) != known
    assert LastHead().read("GET", (1, 1), lines, none, none) is not known


def test_repr_hides_credentials() -> None:
    """A head that is printed shows no credential."""
    shown = repr(head("Authorization: Bearer upstream-secret-canary", "Breakwater-Key: other-canary"))
    assert "canary" not in shown


LINES = st.tuples(
    st.sampled_from([b"Accept", b"X-A", b"Host", b"Content-Length", b"Stripe-Account", b"Cookie", b"a_b"])
    | st.binary(),
    st.binary(max_size=12),
)


@given(st.lists(LINES, max_size=5).map(tuple))
def test_any_bytes(lines: tuple[tuple[bytes, bytes], ...]) -> None:
    """Any bytes are a head or a refusal, and what leaves is printable and listed."""
    try:
        read = canonical_head("GET", (1, 1), ((b"Host", b"h"), *lines), FORWARD, REDIRECTING)
    except Refused:
        return
    assert {name for name, _ in read.headers} <= {"accept"}
    assert all(value.isascii() and (value.isprintable() or not value) for _, value in read.headers + read.redirecting)
