"""The corpus, class A: framing and parsing."""

from __future__ import annotations

from collections.abc import Mapping

from tests.wire.case import (
    FORM,
    MARK,
    WRITE,
    Case,
    broken,
    chunked,
    form,
    get,
    passed,
    refused,
    request,
)

_BODY = b"email=a%40b"
_CHUNKS = b"b\r\nemail=a%40b\r\n0\r\n\r\n"
# Complete, and allowed: it would be answered if anybody took it for a request.
_SMUGGLED = b"GET /v1/customers/cus_smuggled HTTP/1.1\r\nHost: @HOST@\r\nAuthorization: Basic @KEY64@\r\n\r\n"


def _post(*lines: bytes, body: bytes = _BODY) -> bytes:
    return request(b"POST", WRITE, FORM, *lines, body=body, length=False)


def _coded(value: bytes) -> bytes:
    return _post(b"Transfer-Encoding: " + value, body=_CHUNKS)


_LENGTHS = {
    "plus": b"+11", "minus": b"-1", "hex": b"0x10", "underscore": b"1_1", "empty": b"", "20-digits": b"1" * 20,
    "arabic-digits": "١١".encode(), "superscript": "¹¹".encode(), "space-inside": b"1 1", "decimal": b"11.0",
    "exponent": b"1e1", "semicolon": b"11;11",
}  # fmt: skip

_CODINGS = {
    "leading-comma": b",chunked", "identity-last": b"chunked, identity", "xchunked": b"xchunked",
    "parameter": b"chunked;q=1", "vertical-tab": b"\x0bchunked", "twice-in-one": b"chunked, chunked",
    "identity": b"identity", "quoted": b'"chunked"', "empty": b"", "trailing": b"chunked,",
    "two-lines": b"chunked\r\nTransfer-Encoding: chunked",
    "two-lines-identity": b"identity\r\nTransfer-Encoding: chunked",
}  # fmt: skip

_CHUNKED_BODIES = {
    "hex-prefix": b"0xb\r\nemail=a%40b\r\n0\r\n\r\n",
    "underscore": b"0_b\r\nemail=a%40b\r\n0\r\n\r\n",
    "minus": b"-1\r\nemail=a%40b\r\n0\r\n\r\n",
    "leading-space": b" b\r\nemail=a%40b\r\n0\r\n\r\n",
    "17-digits": b"1000000000000000b\r\nemail=a%40b\r\n0\r\n\r\n",
    "bare-lf": b"b\nemail=a%40b\n0\n\n",
    "cr-in-extension": b"b;x\ry\r\nemail=a%40b\r\n0\r\n\r\n",
    "lf-in-extension": b"b;x\ny\r\nemail=a%40b\r\n0\r\n\r\n",
    "wrong-end": b"b\r\nemail=a%40bXX0\r\n\r\n",
    "empty-size": b"\r\nemail=a%40b\r\n0\r\n\r\n",
}

A: Mapping[str, tuple[Case, ...]] = {
    "A1": (
        broken("length-first", _post(b"Content-Length: 11", b"Transfer-Encoding: chunked", body=_CHUNKS)),
        broken("coding-first", _post(b"Transfer-Encoding: chunked", b"Content-Length: 11", body=_CHUNKS)),
        broken("length-zero", _post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=_CHUNKS + _SMUGGLED)),
        broken("cl-te", _post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + _SMUGGLED)),
        broken("read", get(WRITE, b"Transfer-Encoding: chunked", b"Content-Length: 0") + b"0\r\n\r\n"),
    ),
    "A2": (
        broken("two-equal", _post(b"Content-Length: 11", b"Content-Length: 11")),
        broken("two-unequal", _post(b"Content-Length: 11", b"Content-Length: 5")),
        broken("list", _post(b"Content-Length: 11, 11")),
        broken("list-unequal", _post(b"Content-Length: 5, 11")),
        broken("other-case", _post(b"Content-Length: 11", b"content-length: 0")),
    ),
    "A3": tuple(broken(name, _post(b"Content-Length: " + value)) for name, value in _LENGTHS.items()),
    "A4": (
        *(broken(name, _coded(value)) for name, value in _CODINGS.items()),
        # Where it ends is certain; what it says is not.
        refused("gzip", _coded(b"gzip, chunked")),
    ),
    "A5": tuple(
        broken(
            version.decode(),
            request(b"POST", WRITE, FORM, b"Transfer-Encoding: chunked", body=_CHUNKS, length=False, version=version),
        )
        for version in (b"HTTP/1.0", b"HTTP/0.9")
    ),
    "A6": (
        *(
            broken(version.decode(), get(version=version), 400, 505)
            for version in (b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3", b"HTTP/1.1 ", b"http/1.1", b"HTTP/1.10")
        ),
        broken("other-protocol", get(version=b"HTCPCP/1.0"), 400, 505),
        broken("no-version", b"GET /v1/customers\r\nHost: @HOST@\r\n\r\n", 400, 505),
        passed("two-spaces", get(b" /v1/customers"), target=b"/v1/customers", either=True),
        broken("tab", b"GET\t/v1/customers\tHTTP/1.1\r\nHost: @HOST@\r\nAuthorization: Bearer @KEY@\r\n\r\n", 400),
    ),
    "A7": (
        *(broken(name, chunked(body)) for name, body in _CHUNKED_BODIES.items()),
        # What the parser below us shows none of may pass, without it.
        passed("long-extension", chunked(b"b;" + MARK * 1500 + b"\r\nemail=a%40b\r\n0\r\n\r\n"), MARK, either=True),
        passed("extension", chunked(b"b;x=y\r\nemail=a%40b\r\n0\r\n\r\n"), b"x=y", either=True),
        passed("leading-zeros", chunked(b"0000000000000000b\r\nemail=a%40b\r\n0\r\n\r\n"), either=True),
        passed("plain", chunked(_CHUNKS)),
        passed("many-chunks", chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in _BODY) + b"0\r\n\r\n")),
    ),
    "A8": (
        refused("get", request(b"GET", WRITE, FORM, body=_BODY)),
        refused("get-no-type", request(b"GET", WRITE, body=_BODY)),
        refused("head", request(b"HEAD", WRITE, FORM, body=_BODY)),
        refused("delete", request(b"DELETE", b"/v1/customers/cus_1/discount", FORM, body=_BODY)),
        refused("get-json", request(b"GET", WRITE, b"Content-Type: application/json", body=b"{}")),
        refused("get-chunked", request(b"GET", WRITE, FORM, b"Transfer-Encoding: chunked", body=_CHUNKS, length=False)),
        refused("put-without", request(b"PUT", b"/user/following/octocat", FORM, body=_BODY), door="github"),
    ),
    "A9": tuple(
        passed(
            name.decode(),
            chunked(b"b\r\nemail=a%40b\r\n0\r\n" + name + b": " + value + b"\r\n\r\n"),
            value,
            either=True,
        )
        for name, value in (
            (b"Content-Length", b"987654"),
            (b"Authorization", b"Bearer " + MARK),
            (b"Idempotency-Key", MARK),
            (b"Host", b"evil.example"),
            (b"Stripe-Account", b"acct_" + MARK),
            (b"X-Anything", MARK),
        )
    ),
    "A10": (
        passed(
            "embedded-request",
            request(
                b"POST",
                b"/v1/files",
                b"Connection: Upgrade",
                b"Upgrade: websocket",
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                b"Content-Type: multipart/form-data; boundary=B",
                body=b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nlogo\r\n--B\r\n'
                b'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n' + _SMUGGLED + b"\r\n--B--\r\n",
            ),
            b"Upgrade",
            b"Sec-WebSocket-Key",
            door="stripe.files",
        ),
        passed("form", form(_BODY, WRITE, b"Connection: Upgrade", b"Upgrade: websocket"), b"Upgrade"),
        passed(
            "raw-body", form(_SMUGGLED, WRITE, b"Connection: Upgrade", b"Upgrade: websocket"), b"Upgrade", either=True
        ),
    ),
    "A11": (
        passed(
            "h2c",
            get(WRITE, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
            b"Upgrade",
            b"HTTP2-Settings",
        ),
    ),
    "A13": tuple(
        refused(name, get(target))
        for name, target in {
            "own-door": b"http://@HOST@/v1/customers",
            "vendor": b"https://api.stripe.com/v1/customers",
            "evil": b"http://evil.example/v1/customers",
            "ftp": b"ftp://@HOST@/v1/customers",
            "upper": b"HTTP://@HOST@/v1/customers",
            "user": b"http://user@evil.example/v1/customers",
        }.items()
    ),
    "A14": (
        *(
            refused(name, get(target))
            for name, target in {
                "at-evil": b"http://api.stripe.com@evil/",
                "star": b"*",
                "double-slash": b"//evil/v1/customers",
                "query-only": b"?x",
                "no-slash": b"v1/customers",
                "empty": b"",
                "port": b"@HOST@",
                "colon": b":80/v1",
            }.items()
        ),
        refused("options-star", request(b"OPTIONS", b"*")),
        refused("connect", request(b"CONNECT", b"evil.example:443")),
        refused("connect-path", request(b"CONNECT", b"/v1/customers")),
    ),
    "A15": (
        refused("missing", get(host=None)),
        refused("twice", get(host=b"Host: @HOST@\r\nHost: @HOST@")),
        refused("twice-unequal", get(host=b"Host: @HOST@\r\nHost: evil.example")),
        *(
            refused(name, get(host=b"Host: " + value))
            for name, value in {
                "at": b"user@@HOST@",
                "space": b"a b",
                "nul": b"a\0b",
                "port": b"127.0.0.1:99999",
                "slash": b"@HOST@/v1",
                "another-door": b"@OTHER@",
                "comma": b"@HOST@,evil.example",
                "letters": b"a:b",
            }.items()
        ),
        passed("empty", get(host=b"Host: "), either=True),
        passed("another-name", get(host=b"Host: localhost")),
    ),
    "A16": tuple(
        passed(name.decode(), form(_BODY, WRITE, name + b": " + value), name)
        for name, value in (
            (b"Content_Length", b"5"),
            (b"Transfer_Encoding", b"chunked"),
            (b"Idempotency_Key", MARK),
            (b"X_Api_Key", MARK),
            (b"Stripe_Account", b"acct_1"),
            (b"Content_Type", b"application/json"),
        )
    ),
    "A17": (
        broken("folded", get(WRITE, b"User-Agent: a\r\n b")),
        broken("folded-tab", get(WRITE, b"User-Agent: a\r\n\tb")),
        broken("space-before-colon", get(WRITE, b"User-Agent : " + MARK)),
        broken("tab-before-colon", get(WRITE, b"User-Agent\t: " + MARK)),
        broken("length-space", _post(b"Content-Length : 11")),
        broken("leading-space", get(host=b" Host: @HOST@")),
        broken("no-colon", get(WRITE, MARK)),
        broken("no-name", get(WRITE, b": " + MARK)),
        refused("129-headers", get(WRITE, *(b"X-%d: 1" % n for n in range(129))), 400, 431),
        refused("9-kb-field", get(WRITE, b"X-Long: " + MARK * 1536), 400, 431),
        refused("9-kb-name", get(WRITE, MARK * 1536 + b": 1"), 400, 431),
        broken("bare-lf-head", get(WRITE).replace(b"\r\n", b"\n")),
        broken("bare-lf-line", get(WRITE, b"User-Agent: a\nX-Other: " + MARK)),
        broken("bare-cr-line", get(WRITE, b"User-Agent: a\rX-Other: " + MARK)),
        passed("60-headers", get(WRITE, *(b"X-%d: 1" % n for n in range(60))), b"X-1"),
    ),
    "A18": (
        *(
            broken(f"value-{code:02x}", get(WRITE, b"User-Agent: " + MARK + bytes([code]) + b"b"))
            for code in [*range(0x09), *range(0x0A, 0x20), 0x7F]
        ),
        *(
            broken(f"name-{code:02x}", get(WRITE, b"X-A" + bytes([code]) + b"b: " + MARK))
            for code in [*range(0x21), 0x7F]
        ),
        *(
            passed(f"name-{code:02x}", get(WRITE, b"X-A" + bytes([code]) + b"b: " + MARK), MARK, either=True)
            for code in (0x22, 0x28, 0x2C, 0x2F, 0x3B, 0x40, 0x5B, 0x7B, 0x80, 0xFF)
        ),
        passed("tab-inside", get(WRITE, b"User-Agent: a\tb"), either=True),
        *(
            passed(f"value-{code:02x}", get(WRITE, b"User-Agent: a" + bytes([code]) + b"b"), bytes([code]), either=True)
            for code in (0x80, 0x85, 0xA0, 0xFF)
        ),
        refused("target-80", get(b"/v1/customers/a\x80")),
        refused("target-utf8", get("/v1/customers/é".encode())),
        refused("target-tab", get(b"/v1/customers/a\tb")),
        refused("target-nul", get(b"/v1/customers/a\0b")),
    ),
    "A22": (
        *(
            refused(name, request(b"POST", WRITE, FORM, *lines, body=_BODY), 417)
            for name, lines in {
                "list": [b"Expect: 100-continue, foo"],
                "other": [b"Expect: y"],
                "empty": [b"Expect: "],
                "twice": [b"Expect: 100-continue", b"Expect: 100-continue"],
                "twice-other": [b"Expect: 100-continue", b"Expect: y"],
            }.items()
        ),
        passed("continue", form(_BODY, WRITE, b"Expect: 100-continue"), b"Expect"),
        passed("continue-case", form(_BODY, WRITE, b"expect: 100-Continue"), b"Expect", either=True),
    ),
    "A28": (
        broken("tls-hello", bytes.fromhex("16030100a5010000a10303") + bytes(range(64))),
        broken("garbage", bytes(range(128, 200)) + b"\r\n\r\n"),
        broken("ssh", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        broken("h2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        broken("nul", b"\0" * 64 + b"\r\n\r\n"),
    ),
}
