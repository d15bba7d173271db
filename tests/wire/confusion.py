"""The corpus, class B: confusion of path, method, parameter and body."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

from tests.wire.case import FORM, JSON, MARK, WRITE, Case, Fate, form, get, passed, refused, request

_MONEY = b"/v1/payment_intents"
_ACCOUNTS = b"/v2/core/accounts"
_RUNNERS = b"/orgs/acme/actions/hosted-runners"


def _json(body: bytes, target: bytes = _ACCOUNTS, *lines: bytes, kind: bytes = JSON) -> bytes:
    return request(b"POST", target, kind, *lines, body=body)


def _runners(value: bytes) -> bytes:
    return _json(b'{"name":"a","maximum_runners":%s}' % value, _RUNNERS)


def _paths(**targets: bytes) -> tuple[Case, ...]:
    return tuple(refused(name, get(target)) for name, target in targets.items())


def _part(name: bytes, value: bytes = b"logo", more: bytes = b"") -> bytes:
    return b'--B\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name, more, value)


_FILE = _part(b"file", b"bytes", b'; filename="a.txt"')
_PURPOSE = _part(b"purpose")


def _multipart(*parts: bytes, kind: bytes = b"multipart/form-data; boundary=B", end: bytes = b"--B--\r\n") -> bytes:
    return request(b"POST", b"/v1/files", b"Content-Type: " + kind, body=b"".join(parts) + end)


def _files(**bodies: bytes) -> tuple[Case, ...]:
    return tuple(refused(name, raw, door="stripe.files") for name, raw in bodies.items())


_B_PATHS: Mapping[str, tuple[Case, ...]] = {
    "B1": _paths(
        up=b"/v1/../admin", encoded=b"/v1/%2e%2e/admin", mixed=b"/v1/.%2e/admin", upper=b"/v1/%2E./admin",
        end=b"/v1/customers/..", back=b"/v1/charges/../customers", start=b"/../v1/customers", only=b"/..",
        encoded_end=b"/v1/customers/%2e%2e",
    ),
    "B2": _paths(
        twice=b"/v1/%252e%252e/admin", digits=b"/v1/%25%32%65%25%32%65/admin", in_id=b"/v1/customers/%252e%252e",
    ),
    "B4": _paths(
        start=b"//v1/customers", middle=b"/v1//customers", dot=b"/v1/./customers", end_dot=b"/v1/customers/.",
        end=b"/v1/customers//", triple=b"/v1/customers///cus_1", encoded_dot=b"/v1/%2e/customers",
    ),
    "B5": _paths(
        parameter=b"/v1/customers;a=b", dots=b"/v1/..;/admin", encoded=b"/v1/customers%3ba=b",
        in_id=b"/v1/customers/c;a=b",
        encoded_in_id=b"/v1/customers/c%3Ba", first=b"/v1;a/customers",
    ),
    "B6": _paths(
        upper=b"/V1/Customers", trailing=b"/v1/customers/", dot=b"/v1/customers.", space=b"/v1/customers%20",
        json=b"/v1/customers.json", newline=b"/v1/customers%0a",
        word=b"/v1/customerss", prefix=b"/v1", root=b"/", deeper=b"/v1/customers/cus_1/nothing",
    ),
    "B8": _paths(
        backslash=b"/v1/customers\\cus_1", encoded_backslash=b"/v1/customers/%5c", nul=b"/v1/customers/%00",
        overlong=b"/v1/customers/%c0%ae", fullwidth=b"/v1/customers/%ef%bc%8f", u=b"/v1/customers/%u002e",
        lone=b"/v1/customers/%", lone_inside=b"/v1/customers/a%b", letters=b"/v1/customers/%zz",
        half=b"/v1/customers/%4",
        surrogate=b"/v1/customers/%ed%a0%80",
    ),
}  # fmt: skip

_B_REST: Mapping[str, tuple[Case, ...]] = {
    "B3": (
        passed("slash-in-id", get(b"/v1/charges/a%2Frefund"), target=b"/v1/charges/a%2Frefund", either=True),
        passed("lower", get(b"/v1/charges/a%2frefund"), either=True),
        passed("between", get(b"/v1%2Fcharges/ch_1"), either=True),
        refused("whole", get(b"/v1%2Fcustomers")),
        refused("denied-behind", request(b"DELETE", b"/v1/customers%2Fcus_1")),
    ),
    "B7": (
        passed("letter", get(b"/v1/%63ustomers"), target=b"/v1/customers", either=True),
        passed("in-id", get(b"/v1/customers/%63us_1"), target=b"/v1/customers/cus_1", either=True),
        passed("tilde", get(b"/v1/customers/%7Ea"), target=b"/v1/customers/~a", either=True),
        refused("denied", request(b"DELETE", b"/v1/%63ustomers/cus_1")),
    ),
    "B9": (
        refused("twice", form(b"currency=usd&amount=100&amount=100000", _MONEY)),
        refused("twice-currency", form(b"currency=usd&currency=kwd&amount=100", _MONEY)),
        refused("list", form(b"currency=usd&amount[]=100", _MONEY)),
        refused("list-too", form(b"currency=usd&amount=100&amount[]=100000", _MONEY)),
        refused("index", form(b"currency=usd&amount[0]=100", _MONEY)),
        refused("map", form(b"currency=usd&amount=100&amount[a]=100000", _MONEY)),
        refused("upper", form(b"currency=usd&Amount=100", _MONEY)),
        refused("upper-too", form(b"currency=usd&amount=100&Amount=100000", _MONEY)),
        refused("semicolon", form(b"currency=usd&a=1;amount=100", _MONEY)),
        refused("semicolon-too", form(b"currency=usd&amount=100;amount=100000", _MONEY)),
        refused("encoded-name", form(b"currency=usd&amount=100&%61mount=100000", _MONEY)),
        refused("space-name", form(b"currency=usd&amount=100&amount%20=100000", _MONEY)),
        refused("nul-name", form(b"currency=usd&amount=100&amount%00=100000", _MONEY)),
        refused("in-query", form(b"currency=usd", _MONEY + b"?amount=100")),
        refused("in-query-too", form(b"currency=usd&amount=100", _MONEY + b"?amount=100000")),
        refused("absent", form(b"currency=usd", _MONEY)),
        refused("empty", form(b"currency=usd&amount=", _MONEY)),
        refused("too-much", form(b"currency=usd&amount=10001", _MONEY), 403),
        refused("too-little", form(b"currency=usd&amount=49", _MONEY), 403),
        refused("other-currency", form(b"currency=jpy&amount=100", _MONEY), 403),
        *(
            refused(f"spelling-{i}", form(b"currency=usd&amount=" + text, _MONEY))
            for i, text in enumerate((b"%2B100", b"-100", b"100.0", b"1e2", b"0x64", b"%20100", b"1_00",
            b"%D9%A1%D9%A0"))
        ),
        passed("right", form(b"currency=usd&amount=10000", _MONEY)),
        refused("only-twice", form(b"name=widget&name=other", b"/v1/products")),
        refused("only-other", form(b"name=widgets", b"/v1/products"), 403),
        refused("only-absent", form(b"active=true", b"/v1/products"), 403),
        refused("only-list", form(b"name[]=widget", b"/v1/products")),
        refused("only-in-query-too", form(b"name=widget", b"/v1/products?name=other")),
        refused("only-in-query", form(b"active=true", b"/v1/products?name=widget")),
        passed("only-right", form(b"name=widget", b"/v1/products")),
    ),
    "B11": (
        passed("fragment", get(b"/v1/customers#" + MARK), b"#", MARK, either=True),
        passed("fragment-query", get(b"/v1/customers?limit=1#" + MARK), b"#", MARK, either=True),
        passed("second-mark", get(b"/v1/customers?email=a?b"), either=True),
        passed("long-query", get(b"/v1/customers?email=" + b"a" * 8_185), either=True),
        refused("space", get(b"/v1/customers?a b")),
        refused("bad-escape", get(b"/v1/customers?email=%zz")),
        refused("not-utf8", get(b"/v1/customers?email=%ff")),
        passed("nul", get(b"/v1/customers?email=%00"), either=True),
        refused("twice", get(b"/v1/customers?email=a&email=b")),
        passed("empty-pairs", get(b"/v1/customers?&&limit=1&"), b"&&", either=True),
        passed("empty-query", get(b"/v1/customers?"), either=True),
    ),
    "B12": (
        *(
            passed(name.decode(), request(b"GET", b"/v1/customers/cus_1", name + b": DELETE"), name)
            for name in (b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override", b"x-http-method-override")
        ),
        passed("query", form(b"email=a", WRITE + b"?_method=DELETE"), b"_method", either=True),
        passed("query-read", get(b"/v1/customers/cus_1?_method=DELETE"), b"_method", either=True),
        passed("query-header", get(b"/v1/customers/cus_1?x-http-method-override=DELETE"), b"override", either=True),
        passed("form", form(b"email=a&_method=DELETE"), b"_method", either=True),
        refused("form-money", form(b"currency=usd&amount=100&_method=GET", _MONEY)),
    ),
    "B14": tuple(
        Case(method.decode()[:16], request(method, WRITE), Fate.REFUSED, frozenset({405}), closes=False)
        for method in (b"get", b"PURGE", b"QUERY", b"TRACE", b"PROPFIND", b"GETT", b"BREW", b"A" * 300, b"SOURCE")
    ),
    "B16": (
        *(
            refused(name, _runners(text), door="github")
            for name, text in {
                "huge-exponent": b"1e400", "nan": b"NaN", "infinity": b"Infinity", "minus-zero": b"-0",
                "decimal": b"10.0", "exponent": b"1E1", "string": b'"10"', "true": b"true",
                "2-63": b"9223372036854775808",
                "400-digits": b"1" * 400, "5000-digits": b"1" * 5000, "plus": b"+10", "leading-zero": b"010",
                "hex": b"0x10", "null": b"null", "list": b"[10]", "object": b"{}", "zero": b"0", "51": b"51",
            }.items()
        ),
        refused("twice", _json(b'{"maximum_runners":10,"maximum_runners":1000}', _RUNNERS), door="github"),
        refused("escaped-twice", _json(b'{"maximum_runners":10,"maximum\\u005frunners":1000}', _RUNNERS),
        door="github"),
        refused("absent", _json(b'{"name":"a"}', _RUNNERS), door="github"),
        passed("right", _runners(b"10"), door="github"),
    ),
    "B17": (
        *(refused(name, _json(body), 400)
        for name, body in {
            "bom": b'\xef\xbb\xbf{"display_name":"a"}', "utf-16": '{"display_name":"a"}'.encode("utf-16"),
            "utf-16-le": '{"display_name":"a"}'.encode("utf-16-le"), "comment": b'{"display_name":"a"}//' + MARK,
            "inner-comment": b'{/*a*/"display_name":"a"}', "trailing": b'{"display_name":"a"}x', "two-values": b"{}{}",
            "lone-surrogate": b'{"display_name":"\\ud800"}', "low-surrogate": b'{"\\udc00":"a"}',
            "nested": b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested-open": b"[" * 100_000,
            "not-utf8": b'{"display_name":"\xff"}', "trailing-comma": b'{"display_name":"a",}', "single": b"{'a':1}",
            "raw-newline": b'{"display_name":"a\nb"}', "member-twice": b'{"display_name":"a","display_name":"b"}',
            "deep-twice": b'{"metadata":{"a":"1","a":"2"}}', "empty": b" ",
        }.items()),
        passed("list", _json(b"[1]"), either=True),
        passed("string", _json(b'"a"'), either=True),
    ),
    "B18": (
        refused("form-labelled-json", _json(b"display_name=a"), 400, 415),
        refused("json-labelled-form", form(b'{"email":"a"}'), 400, 415, 403),
        refused("json-for-form", request(b"POST", WRITE, JSON, body=b'{"email":"a"}'), 415),
        refused("form-for-json", request(b"POST", _ACCOUNTS, FORM, body=b"display_name=a"), 415),
        refused("missing", request(b"POST", WRITE, body=b"email=a"), 415),
        refused("two-types", request(b"POST", WRITE, FORM, JSON, body=b"email=a"), 400, 415),
        refused("two-equal", request(b"POST", WRITE, FORM, FORM, body=b"email=a"), 400, 415),
        refused("utf-7", _json(b"{}", kind=JSON + b"; charset=utf-7"), 415),
        refused("utf-16", _json(b"{}", kind=JSON + b"; charset=utf-16"), 415),
        refused("form-utf-7", request(b"POST", WRITE, FORM + b"; charset=utf-7", body=b"email=a"), 415),
        refused("text", request(b"POST", WRITE, b"Content-Type: text/plain", body=b"email=a"), 415),
        refused("list-of-types", request(b"POST", WRITE, FORM + b", application/json", body=b"email=a"), 400, 415),
        refused("no-slash", request(b"POST", WRITE, b"Content-Type: " + MARK, body=b"email=a"), 400, 415),
        passed("utf-8", _json(b'{"display_name":"a"}', kind=JSON + b"; charset=UTF-8")),
        passed("case", request(b"POST", WRITE, b"content-type: Application/X-WWW-Form-Urlencoded", body=b"email=a")),
    ),
    "B19": (
        *_files(
            duplicate=_multipart(_PURPOSE, _part(b"purpose", b"other"), _FILE),
            charset=_multipart(_part(b"_charset_", b"utf-7"), _PURPOSE, _FILE),
            climbing=_multipart(_PURPOSE, _part(b"file", b"x", b'; filename="../x"')),
            many=_multipart(*(_part(b"expand[%d]" % n, b"a") for n in range(10_000))),
            line_in_name=_multipart(_part(b"purpose\r\nX-A: b"), _FILE),
            line_in_filename=_multipart(_PURPOSE, _part(b"file", b"x", b'; filename="a\r\nb"')),
            nul_in_name=_multipart(_part(b"pur\0pose"), _FILE),
            other_boundary=_multipart(_PURPOSE, _FILE, kind=b"multipart/form-data; boundary=C"),
            no_boundary=_multipart(_PURPOSE, _FILE, kind=b"multipart/form-data"),
            two_boundaries=_multipart(_PURPOSE, _FILE, kind=b"multipart/form-data; boundary=B; boundary=C"),
            no_end=_multipart(_PURPOSE, _FILE, end=b""),
            epilogue=_multipart(_PURPOSE, _FILE, end=b"--B--\r\n" + MARK),
            preamble=_multipart(MARK + b"\r\n", _PURPOSE, _FILE),
            no_name=_multipart(b"--B\r\nContent-Disposition: form-data\r\n\r\na\r\n", _PURPOSE, _FILE),
            two_dispositions=_multipart(
                b'--B\r\nContent-Disposition: form-data; name="purpose"\r\nContent-Disposition: form-data; name="x"'
                b"\r\n\r\na\r\n",
                _FILE,
            ),
            two_names=_multipart(_part(b"purpose", b"a", b'; name="x"'), _FILE),
            encoded_part=_multipart(
                b'--B\r\nContent-Disposition: form-data; name="purpose"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
                b"bG9nbw==\r\n",
                _FILE,
            ),
            bare_lf=_multipart(_PURPOSE.replace(b"\r\n\r\n", b"\n\n"), _FILE),
        ),
        refused("star-name", _multipart(_part(b"purpose", b"a", b"; filename*=UTF-8''%2e%2e%2fx")),
        door="stripe.files"),
        passed("right", _multipart(_PURPOSE, _FILE), door="stripe.files"),
        passed("quoted-boundary", _multipart(_PURPOSE, _FILE, kind=b'multipart/form-data; boundary="B"'),
        door="stripe.files"),
    ),
    "B20": (
        *(
            refused(name, request(b"POST", WRITE, FORM, b"Content-Encoding: " + value, body=body), 400, 413, 415)
            for name, value, body in (
                ("twice", b"gzip, gzip", gzip.compress(gzip.compress(b"email=a"))), ("brotli", b"br", b"email=a"),
                ("other", b"x", b"email=a"), ("bomb", b"gzip", gzip.compress(b"email=" + b"a" * 50_000_000)),
                ("not-gzip", b"gzip", b"email=a"), ("deflate-raw", b"deflate", b"\0\0"),
            )
        ),
        passed("gzip", form(gzip.compress(b"email=a"), WRITE, b"Content-Encoding: gzip"), b"Content-Encoding",
        either=True),
        passed("identity", form(b"email=a", WRITE, b"Content-Encoding: identity"), either=True),
    ),
    "B21": (
        refused("json-trailing", _json(b'{"display_name":"a"}\n{"display_name":"b"}'), 400),
        refused("no-body-operation", request(b"PUT", b"/user/following/octocat", JSON, body=b"{}"), door="github"),
        refused("no-body-form", request(b"DELETE", b"/v1/customers/cus_1/discount", FORM, body=b"a=b")),
    ),
    "B22": (
        refused("undeclared-map", form(b"currency=usd&amount=100&transfer[destination]=acct_1", _MONEY)),
        refused("undeclared-scalar", form(b"currency=usd&amount=100&destination=acct_1", _MONEY)),
        refused("undeclared-list", form(b"currency=usd&amount=100&x[]=acct_1", _MONEY)),
        refused("beside-a-rule", form(b"name=widget&titles=other", b"/v1/products")),
        passed("declared-map", form(b"currency=usd&amount=100&metadata[x]=1&transfer_data[destination]=a", _MONEY)),
        passed("declared-list", form(b"currency=usd&amount=100&expand[]=customer", _MONEY)),
        passed("elsewhere", form(b"email=a&unheard_of[x]=1")),
        *(
            refused(f"name-{i}", form(b"email=a&" + name + b"=1"), 400)
            for i, name in enumerate(
                (b"metadata[a", b"metadata]a[", b"metadata[a]b", b"metadata[[a]]", b"[a]", b"metadata[a[b]]", b"]", b"")
            )
        ),
        refused("scalar-and-map", form(b"metadata=1&metadata[a]=1"), 400),
        refused("list-and-map", form(b"expand[]=a&expand[b]=c"), 400),
        refused("list-and-index", form(b"expand[]=a&expand[0]=c"), 400),
        refused("index-and-map", form(b"expand[0]=a&expand[b]=c"), 400),
        refused("hole", form(b"expand[0]=a&expand[2]=c"), 400),
        refused("from-one", form(b"expand[1]=a"), 400),
        refused("index-twice", form(b"expand[0]=a&expand[0]=c"), 400),
        refused("deep-twice", form(b"address[line1]=a&address[line1]=b"), 400),
    ),
    "B27": (
        refused("graphql", _json(b'{"query":"{viewer{login}}"}', b"/graphql"), 403, door="github"),
        refused("graphql-get", get(b"/graphql?query=%7Bviewer%7Blogin%7D%7D"), 403, door="github"),
        refused("graphql-api", _json(b"{}", b"/api/graphql"), 403, door="github"),
    ),
    "B31": (
        refused("head", request(b"HEAD", b"/v1/balance"), 403),
        refused("get", get(b"/v1/balance"), 403),
        refused("options", request(b"OPTIONS", b"/v1/balance"), 403, 405),
        refused("options-allowed", request(b"OPTIONS", WRITE), 403, 405),
        passed("head-allowed", request(b"HEAD", WRITE)),
    ),
}  # fmt: skip

B: Mapping[str, tuple[Case, ...]] = {**_B_PATHS, **_B_REST}
