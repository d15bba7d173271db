"""The corpus, class C: credentials and headers, and the doors that they come through."""

from __future__ import annotations

from collections.abc import Mapping

from tests.wire.case import AUTH, FORM, MARK, MEANT, WRITE, Case, Fate, form, get, passed, refused, request

_SOMEBODY = b"somebody-elses-key"
_FORGED = b"bw1_1_" + b"Zm9yZ2Vk" * 20

_FORWARDING = (
    b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Forwarded-Port", b"X-Forwarded-Prefix",
    b"Forwarded", b"X-Real-IP", b"X-Original-URL", b"X-Rewrite-URL", b"Via", b"True-Client-IP", b"CF-Connecting-IP",
    b"X-Original-Host", b"X-Host", b"Proxy-Connection", b"Keep-Alive", b"TE", b"Trailer", b"Max-Forwards", b"Origin",
    b"Referer", b"X-Amzn-Trace-Id", b"X-Stripe-Client-User-Agent", b"Pragma",
)  # fmt: skip

C: Mapping[str, tuple[Case, ...]] = {
    "C1": (
        passed("bearer", get(auth=AUTH), b"@KEY@"),
        passed("lower-bearer", get(auth=b"authorization: bearer @KEY@"), b"@KEY@"),
        passed("upper-bearer", get(auth=b"AUTHORIZATION: BEARER @KEY@"), b"@KEY@"),
        passed("token", get(auth=b"Authorization: token @KEY@"), b"@KEY@"),
        passed("basic-user", get(auth=b"Authorization: Basic @KEY64@"), b"@KEY@", b"@KEY64@"),
        passed("basic-password", get(auth=b"Authorization: Basic @64KEY@"), b"@KEY@", b"@64KEY@"),
        passed("own-header", get(auth=b"Breakwater-Key: @KEY@"), b"@KEY@", b"Breakwater-Key"),
        passed("cookie", get(WRITE, b"Cookie: session=" + _SOMEBODY), b"Cookie", _SOMEBODY),
        passed("cookie-twice", get(WRITE, b"cookie: a=" + _SOMEBODY, b"COOKIE: b=" + _SOMEBODY), b"Cookie", _SOMEBODY),
        passed("proxy", get(WRITE, b"Proxy-Authorization: Bearer " + _SOMEBODY), b"Proxy-Authorization", _SOMEBODY),
        passed("api-key", get(WRITE, b"X-Api-Key: " + _SOMEBODY), b"X-Api-Key", _SOMEBODY),
        passed("private-token", get(WRITE, b"PRIVATE-TOKEN: " + _SOMEBODY), b"PRIVATE-TOKEN", _SOMEBODY),
        passed("twice-equal", get(WRITE, AUTH), b"@KEY@", either=True),
        refused("two-keys", get(WRITE, b"Authorization: Bearer " + _SOMEBODY), 400, 401),
        refused("two-places", get(WRITE, b"Breakwater-Key: " + _SOMEBODY), 400, 401),
        refused("list", get(auth=b"Authorization: Bearer @KEY@, Bearer " + _SOMEBODY), 400, 401),
    ),
    "C2": (
        refused("no-key", get(auth=None), 401),
        refused("unknown", get(auth=b"Authorization: Bearer " + MARK), 401),
        refused("almost", get(auth=b"Authorization: Bearer @KEY@x"), 401),
        refused("empty", get(auth=b"Authorization: Bearer "), 400, 401),
        refused("scheme-only", get(auth=b"Authorization: Bearer"), 400, 401),
        refused("digest", get(auth=b"Authorization: Digest username=" + MARK), 400, 401),
        refused("no-scheme", get(auth=b"Authorization: @KEY@"), 400, 401),
        refused("bad-base64", get(auth=b"Authorization: Basic " + MARK + b"!"), 400, 401),
        refused("not-utf8", get(auth=b"Authorization: Basic //79/Pv6"), 400, 401),
        refused("both-halves", get(auth=b"Authorization: Basic " + b"YTpi"), 400, 401),
        refused("before-the-path", request(b"GET", b"/v1/" + MARK, auth=None), 401, 403),
    ),
    "C3": tuple(passed(name.decode(), get(WRITE, name + b": " + MARK), name, MARK) for name in _FORWARDING),
    "C4": (
        refused("account", get(WRITE, b"Stripe-Account: acct_1"), 403),
        refused("account-case", get(WRITE, b"stripe-ACCOUNT: acct_1"), 403),
        refused("account-empty", get(WRITE, b"Stripe-Account: "), 400, 403),
        refused("account-twice", get(WRITE, b"Stripe-Account: acct_listed", b"Stripe-Account: acct_1"), 400, 403),
        refused("account-list", get(WRITE, b"Stripe-Account: acct_listed, acct_1"), 400, 403),
        refused("context", get(WRITE, b"Stripe-Context: acct_listed"), 403),
        passed("account-listed", get(WRITE, b"Stripe-Account: acct_listed")),
        refused("task", get(WRITE, b"Breakwater-Task: t1"), 403),
        refused("connection-nominates", get(WRITE, b"Connection: Stripe-Account", b"Stripe-Account: acct_1"), 403),
    ),
    "C17": (
        *(
            refused(f"token-{name}", get(auth=b"Authorization: Bearer " + token), 400, 401)
            for name, token in {
                "forged": _FORGED, "prefixed": b"rk_" + _FORGED, "other-key": _FORGED.replace(b"bw1_1", b"bw1_2"),
                "half": _FORGED[:40], "long": _FORGED + b"A" * 400, "huge": _FORGED + b"A" * 8_000,
                "dots": _FORGED + b".a.b", "colon": _FORGED + b":", "percent": b"%62" + _FORGED[1:],
                "padded": _FORGED + b"==", "jwt-none": b"eyJhbGciOiJub25lIn0.e30.",
            }.items()
        ),
        refused("token-and-key", get(WRITE, b"Breakwater-Key: " + _FORGED), 400, 401),
        refused("token-in-path", get(b"/v1/customers/" + _FORGED)),
        refused("token-in-query", get(b"/v1/customers?email=" + _FORGED)),
        refused("token-in-a-form", form(b"email=" + _FORGED), 400),
    ),
    "C19": (
        refused("query", get(b"/v1/customers?api_key=@KEY@")),
        refused("query-value", get(b"/v1/customers?email=@KEY@")),
        refused("query-only", get(b"/v1/customers?api_key=@KEY@", auth=None)),
        refused("path", get(b"/v1/customers/@KEY@")),
        refused("path-only", get(b"/v1/customers/@KEY@", auth=None)),
        refused("user-info", get(b"/v1/customers?email=a%40@KEY@")),
    ),
    "keys": (
        *(
            refused(name, form(b"email=a", WRITE, *lines), 400)
            for name, lines in {
                "empty": [b"Idempotency-Key: "], "long": [b"Idempotency-Key: " + b"k" * 256],
                "twice": [b"Idempotency-Key: a", b"Idempotency-Key: a"], "latin": [b"Idempotency-Key: \xe9"],
                "bare-and-quoted": [b"Idempotency-Key: a", b'Idempotency-Key: "a"'],
                "quoted-open": [b'Idempotency-Key: "a'], "quoted-empty": [b'Idempotency-Key: ""'],
                "quoted-list": [b'Idempotency-Key: "a", "b"'], "quoted-escape": [b'Idempotency-Key: "a\\b"'],
                "quoted-space": [b'Idempotency-Key: "a b"'], "quoted-parameter": [b'Idempotency-Key: "a";b=1'],
                "quoted-long": [b'Idempotency-Key: "' + b"k" * 256 + b'"'],
                "counted-twice": [b"X-Stainless-Retry-Count: 0", b"X-Stainless-Retry-Count: 1"],
                "meant-twice": [MEANT],
            }.items()
        ),
        *(
            refused(f"meant-{i}", request(b"POST", WRITE, FORM, line, body=b"email=a", meant=False), 400)
            for i, line in enumerate((MEANT + b"ed", b"Breakwater-Duplicate: Allow", b"Breakwater-Duplicate:"))
        ),
        passed("agents-own", form(b"email=a", WRITE, b"Idempotency-Key: " + MARK), MARK),
        passed("quoted", form(b"email=a", WRITE, b'Idempotency-Key: "' + MARK + b'-\\"quoted\\\\"'), MARK),
        passed("longest", form(b"email=a", WRITE, b"Idempotency-Key: " + b"k" * 255), b"kkkkk"),
        passed("longest-quoted", form(b"email=a", WRITE, b'Idempotency-Key: "' + b"q" * 255 + b'"'), b"qqqqq"),
        *(
            passed(f"counted-{i}", form(b"email=a", WRITE, b"X-Stainless-Retry-Count: " + count), b"Retry-Count", MARK)
            for i, count in enumerate((b"0", b"2", b"-1", b"1e400", MARK, b""))
        ),
        passed("said-meant", form(b"email=a"), MEANT),
    ),
    "doors": (
        passed("prefix", get(b"/stripe/v1/customers/cus_1"), door="shared", target=b"/v1/customers/cus_1"),
        passed("prefix-base", get(b"/github/repos/acme/docs"), door="shared", target=b"/repos/acme/docs"),
        *(
            Case(name, get(target), Fate.REFUSED, frozenset({421}), "shared")
            for name, target in {
                "none": b"/v1/customers", "other": b"/" + MARK + b"/v1", "root": b"/", "upper": b"/STRIPE/v1/customers",
                "admin": b"/admin", "metrics": b"/metrics",
            }.items()
        ),
        refused("climb", get(b"/stripe/../github/repos/acme/docs"), door="shared"),
        refused("climb-encoded", get(b"/stripe/%2e%2e/github/repos/acme/docs"), door="shared"),
        passed("encoded-prefix", get(b"/%73tripe/v1/customers"), door="shared", target=b"/v1/customers", either=True),
        refused("encoded-slash", get(b"/stripe%2Fv1/customers"), door="shared"),
        refused("double", get(b"/stripe//v1/customers"), door="shared"),
        refused("prefix-on-own-door", get(b"/stripe/v1/customers"), 403),
        refused("metrics-on-own-door", get(b"/metrics"), 403),
        refused("other-base", get(b"/v1/customers"), 403, door="stripe.files"),
        refused("other-api", get(b"/v1/customers"), 403, door="github"),
    ),
}  # fmt: skip
