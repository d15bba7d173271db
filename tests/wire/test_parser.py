from __future__ import annotations

import pytest

from tests.wire.corpus import CLASSES
from tests.wire.oracle import second_opinion
from tests.wire.parser import Unparsable, take, take_all
from tests.wire.reading import Body, Field, Number, read, read_json, read_multipart, read_pairs, read_path, tree

HEAD = b"POST /v1/a HTTP/1.1\r\nHost: h\r\n"
WHOLE = HEAD + b"Content-Length: 3\r\n\r\na=b"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\na=\r\n1\r\nb\r\n0\r\n\r\n"


@pytest.mark.parametrize("raw", [WHOLE, CHUNKED, HEAD + b"\r\n"], ids=["length", "chunked", "none"])
def test_message_is_taken(raw: bytes) -> None:
    """A message is taken once it is whole, at no byte before, and what follows it is left."""
    assert [take(raw[:cut]) for cut in range(len(raw))] == [None] * len(raw)
    messages, rest = take_all(raw + raw + b"GET")
    assert [message.raw for message in messages] == [raw, raw]
    assert rest == b"GET"
    assert messages[0].body == (b"" if raw == HEAD + b"\r\n" else b"a=b")
    assert second_opinion(messages[0])


@pytest.mark.parametrize(
    "raw",
    [
        WHOLE.replace(b"\r\n", b"\n"),
        WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        WHOLE.replace(b"POST ", b"POST  "),
        WHOLE.replace(b"POST", b"post"),
        WHOLE.replace(b"/v1/a", b"http://h/v1/a"),
        WHOLE.replace(b"/v1/a", "/é".encode()),
        WHOLE.replace(b"Host: h\r\n", b""),
        WHOLE.replace(b"Host: h\r\n", b"Host: h\r\nhost: h\r\n"),
        WHOLE.replace(b"Host: h", b"Host : h"),
        WHOLE.replace(b"Host: h", b"Host: h\r\n folded"),
        WHOLE.replace(b"Host: h", b"Host: h\0"),
        WHOLE.replace(b"Host: h", b"Host: h\r\nno colon"),
        WHOLE.replace(b"Length: 3", b"Length: +3"),
        WHOLE.replace(b"Length: 3", b"Length: 3, 3"),
        WHOLE.replace(b"Length: 3", b"Length: 3\r\nContent-Length: 3"),
        WHOLE.replace(b"Length: 3", b"Length: 3\r\nTransfer-Encoding: chunked"),
        CHUNKED.replace(b"chunked", b"gzip, chunked"),
        CHUNKED.replace(b"chunked", b"identity"),
        CHUNKED.replace(b"\r\n2\r\n", b"\r\n0x2\r\n"),
        CHUNKED.replace(b"\r\n2\r\n", b"\r\n2;x=y\r\n"),
        CHUNKED.replace(b"a=\r\n", b"a=--"),
        CHUNKED.replace(b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n"),
        HEAD + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
        HEAD + b"X: a\r\n" * 70 + b"\r\n",
    ],
)
def test_message_is_refused(raw: bytes) -> None:
    """Bytes that two readers could take for two things are no message."""
    with pytest.raises(Unparsable):
        take(raw)


def test_pair_is_decoded() -> None:
    """Pairs are decoded once, in their order, with a plus for a space."""
    assert read_pairs(b"a=1&a=%32&b%5B%5D=x+y%2Bz&c&d=e=f") == (
        ("a", "1"),
        ("a", "2"),
        ("b[]", "x y+z"),
        ("c", ""),
        ("d", "e=f"),
    )
    assert read_path(b"/a%2Fb/%C3%A9") == ("a/b", "é")


@pytest.mark.parametrize("raw", [b"a=%zz", b"a=%", b"a=%ff", b"a=1;b=2", b"a=#", b'a="', b"a=\xc3\xa9", b"a=b c"])
def test_pair_is_refused(raw: bytes) -> None:
    """A pair that is not spelled in one way is refused."""
    with pytest.raises(Unparsable):
        read_pairs(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a",
        b"//",
        b"/a/",
        b"/a//b",
        b"/.",
        b"/a/..",
        b"/%2e%2E",
        b"/%252e",
        b"/%",
        b"/%zz",
        b"/%ff",
        b"/a\\b",
        b"/a|",
    ],
)
def test_path_is_refused(raw: bytes) -> None:
    """A path that any reader could shorten, split or decode again is refused."""
    with pytest.raises(Unparsable):
        read_path(raw)


TREES = [
    (b"a=1&b[x]=2&b[y][z]=3", {"a": "1", "b": {"x": "2", "y": {"z": "3"}}}),
    (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
    (b"a[1]=y&a[0]=x", {"a": ["x", "y"]}),
    (b"a[0][b]=1&a[1][b]=2", {"a": [{"b": "1"}, {"b": "2"}]}),
    (b"a[b][]=1", {"a": {"b": ["1"]}}),
]


@pytest.mark.parametrize(("raw", "value"), TREES, ids=[raw.decode() for raw, _ in TREES])
def test_names_make_a_tree(raw: bytes, value: object) -> None:
    """Names with brackets make scalars, maps and lists."""
    assert tree(read_pairs(raw)) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"a=1&a=2",
        b"a=1&a[b]=2",
        b"a[b]=1&a=2",
        b"a[]=1&a[b]=2",
        b"a[0]=1&a[b]=2",
        b"a[]=1&a[0]=2",
        b"a[0]=1&a[2]=2",
        b"a[1]=1",
        b"a[[b]]=1",
        b"a[b=1",
        b"a]=1",
        b"[a]=1",
        b"=1",
        b"a[b]c=1",
        b"a[0]=1&a[0]=2",
        b"a[][b]=1",
    ],
)
def test_names_make_no_tree(raw: bytes) -> None:
    """A prefix that would be two things, or a list with holes, is refused."""
    with pytest.raises(Unparsable):
        tree(read_pairs(raw))


def test_json_is_read() -> None:
    """JSON keeps the types that it has, and the text of numbers that are not integers."""
    assert read_json(b'{"a":[1,1.50,true,null,"\\u00e9"]}') == {"a": [1, Number("1.50"), True, None, "é"]}


@pytest.mark.parametrize(
    "raw", [b'{"a":1,"a":2}', b"NaN", b'"\\ud800"', b"{}{}", b"\xef\xbb\xbf{}", b'"\xff"', b"[1,]", b"[" * 99_999]
)
def test_json_is_refused(raw: bytes) -> None:
    """JSON that two readers could take for two values is refused."""
    with pytest.raises(Unparsable):
        read_json(raw)


def test_multipart_is_read() -> None:
    """Fields are read with their names, file names, media types and exact data."""
    body = (
        b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; '
        b'name="f"; filename="x%22.bin"\r\nContent-Type: image/png\r\n\r\n\r\n--\0\r\n--B--\r\n'
    )
    assert read_multipart(body, "B") == (Field("a", None, None, b"1"), Field("f", 'x".bin', "image/png", b"\r\n--\0"))
    for broken in (body[:-2], b"x" + body, body + b"x", body.replace(b"form-data", b"attachment", 1)):
        with pytest.raises(Unparsable):
            read_multipart(broken, "B")


def test_reading_is_whole() -> None:
    """A message's path, query, headers, media type and body are read together."""
    raw = b'POST /v1/a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"b":1}'
    message = take(raw)
    assert message is not None
    reading = read(message)
    assert (reading.segments, reading.query) == (("v1", "a"), (("x", "1"),))
    assert reading.body == Body("json", json={"b": 1})
    assert (reading.media_type, reading.header("host"), reading.header("nothing")) == ("application/json", "h", None)


def test_corpus_is_named_well() -> None:
    """Rows of one class have names of their own, and every class that this version owes has rows."""
    owed = {f"A{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 22, 28)}
    owed |= {f"B{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 16, 17, 18, 19, 20, 21, 22, 27, 31)} | {
        "C1",
        "C3",
        "C17",
        "C19",
    }
    assert owed <= CLASSES.keys()
    for name, cases in CLASSES.items():
        assert len({case.name for case in cases}) == len(cases), name
