"""The way a caller came in is the way in which the URLs that it is shown lead back: by port, prefix, host or socket."""

from __future__ import annotations

from pathlib import Path

import pytest
from yarl import URL

from breakers.verdict import Reason
from config.tables import load_catalog
from config.written import Origin
from proxy.account import Account
from proxy.answer import Streamed, Whole
from proxy.doors import SHARED, Came, Door, Style, door_hosts
from proxy.errors import Refused
from proxy.held import Holder
from proxy.links import NO_LINKS, Links, Ways

CATALOG = load_catalog("github", Path())
API, UPLOADS = Door("gh", "gh", "api"), Door("gh.uploads", "gh", "uploads")
OTHER, ALL = Door("stripe", "stripe", "api"), Door(SHARED)
HOSTS = {"gh.internal": "gh", "up.internal": "gh.uploads"}
ADDRESSES = {
    "gh": "http://127.0.0.1:8001", "gh.uploads": "http://127.0.0.1:8002", "stripe": "http://127.0.0.1:8003",
    SHARED: "http://127.0.0.1:8000", "admin": "http://127.0.0.1:8470",
}  # fmt: skip
UPSTREAM = "http://127.0.0.1:4000"
ABOUT = "http://127.0.0.1:4000/repos/a/b"
JSON = ("content-type", "application/json; charset=utf-8")


def account(**more: object) -> Account:
    """
    Return an account whose two bases answer at one address.
    """
    origins = {"api": URL(UPSTREAM), "uploads": URL(UPSTREAM)}
    return Account("gh", CATALOG, origins, Holder(CATALOG.dialect.credential), **more)  # type: ignore[arg-type]


def ways(*doors: Door, addresses: dict[str, str] | None = None, **more: object) -> Ways:
    """
    Return the ways in to that account.
    """
    known = {door.name: door for door in doors or (API, UPLOADS, OTHER, ALL)}
    return Ways({"gh": account(**more)}, known, door_hosts(known, HOSTS), addresses or ADDRESSES)


@pytest.mark.parametrize(
    ("door", "style", "host", "port", "api", "uploads"),
    [
        (API, Style.PORT, "127.0.0.1", 8001, "http://127.0.0.1:8001", "http://127.0.0.1:8002"),
        (UPLOADS, Style.PORT, "127.0.0.1", 8002, "http://127.0.0.1:8001", "http://127.0.0.1:8002"),
        (API, Style.PORT, "localhost", 18_001, "http://localhost:18001", "http://localhost:8002"),
        (API, Style.PORT, "[::1]", 8001, "http://[::1]:8001", "http://[::1]:8002"),
        (API, Style.PORT, "box", None, "http://box", "http://box:8002"),
        (API, Style.PREFIX, "box", 8000, "http://box:8000/gh", "http://box:8000/gh.uploads"),
        (UPLOADS, Style.PREFIX, "box", None, "http://box/gh", "http://box/gh.uploads"),
        (API, Style.HOST, "gh.localhost", 8000, "http://gh.localhost:8000", "http://gh.uploads.localhost:8000"),
        (UPLOADS, Style.HOST, "gh.uploads.localhost", None, "http://gh.localhost", "http://gh.uploads.localhost"),
        (API, Style.HOST, "gh.internal", 8000, "http://gh.internal:8000", "http://up.internal:8000"),
        (API, Style.UNIX, "localhost", None, "http://localhost", "http://up.internal"),
        (API, Style.UNIX, "gh.localhost", None, "http://gh.localhost", "http://gh.uploads.localhost"),
    ],
)
def test_bases(door: Door, style: Style, host: str, port: int | None, api: str, uploads: str) -> None:
    """Each base's URLs become those of its door as this caller reaches it, and back."""
    links = ways().of(Came(door, style), host, port)
    assert links.out.swapped("https://api.github.com/x") == f"{api}/x"
    assert links.out.swapped("https://uploads.github.com/x{?name}") == f"{uploads}/x{{?name}}"
    assert links.into.swapped(f"{api}/x") == "https://api.github.com/x"
    assert links.into.swapped(f"{uploads}/x{{?name}}") == "https://uploads.github.com/x{?name}"


def test_one_address() -> None:
    """Where two bases answer at one address, a URL of it leads back to the base that was asked."""
    for door, port in ((API, 8001), (UPLOADS, 8002)):
        links = ways().of(Came(door, Style.PORT), "127.0.0.1", port)
        assert links.out.swapped(f"{UPSTREAM}/x") == f"http://127.0.0.1:{port}/x"


def test_aliases() -> None:
    """An alias leads to its base, one of every base to the base that was asked."""
    aliases = {
        "*": (Origin("https", "every.example", 443, literal=False),),
        "uploads": (Origin("https", "up.example", 8443, literal=False),),
    }
    links = ways(aliases=aliases).of(Came(API, Style.PORT), "127.0.0.1", 8001)
    assert links.out.swapped("https://every.example/x") == "http://127.0.0.1:8001/x"
    assert links.out.swapped("https://up.example:8443/x") == "http://127.0.0.1:8002/x"


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8001/x", "http://127.0.0.1:8000/gh/x", "http://localhost:9/x", "http://127.0.0.1:8001"]
)
def test_written_urls(text: str) -> None:
    """In a request the door's own URL counts, too, whatever the caller wrote into its Host."""
    links = ways().of(Came(API, Style.PORT), "localhost", 9)
    assert links.into.swapped(text) in {"https://api.github.com/x", "https://api.github.com"}


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8003/x", "http://127.0.0.1:8000/stripe/x", "http://127.0.0.1:8470/x"]
)
def test_other_apis(text: str) -> None:
    """Doors of other APIs, and the admin's, are nobody's here."""
    assert ways().of(Came(API, Style.PORT), "127.0.0.1", 8001).into.swapped(text) == text


def test_out_of_reach() -> None:
    """A base that listens on a socket has no URL for who came by a port: it leads nowhere, and not to the vendor."""
    uploads = Door("gh.uploads", "gh", "uploads", unix=True)
    addresses = {**ADDRESSES, "gh.uploads": "unix:/run/up.sock"}
    links = ways(API, uploads, addresses=addresses).of(Came(API, Style.PORT), "127.0.0.1", 8001)
    assert links.out.swapped("https://uploads.github.com/x") == "http://gh.uploads.invalid/x"


@pytest.mark.parametrize("style", [Style.PORT, Style.PREFIX])
@pytest.mark.parametrize(
    ("host", "port"), [("api.github.com", None), ("api.github.com", 443), ("uploads.github.com", 80)]
)
def test_vendors_own(style: Style, host: str, port: int | None) -> None:
    """A `Host` under which links would lead to the API itself names no door."""
    with pytest.raises(Refused, match="where the API itself answers") as refused:
        ways().of(Came(API, style), host, port)
    assert refused.value.reason is Reason.DOOR_UNKNOWN


@pytest.mark.parametrize(("style", "port"), [(Style.HOST, None), (Style.UNIX, None), (Style.PORT, 8001)])
def test_vendors_own_but_ours(style: Style, port: int | None) -> None:
    """It does where it was configured, where a socket holds the client, and with a port at which no API answers."""
    links = ways().of(Came(API, style), "api.github.com", port)
    assert links.out.swapped("https://api.github.com/x").startswith("http://api.github.com")


def test_one_table() -> None:
    """The same way in is worked out once, and what callers write into their Host cannot fill the memory."""
    known = ways()
    first = known.of(Came(API, Style.PORT), "127.0.0.1", 8001)
    assert known.of(Came(API, Style.PORT), "127.0.0.1", 8001) is first
    for port in range(1, 1000):
        known.of(Came(API, Style.PORT), "127.0.0.1", port)
    assert known.of.cache_info().currsize <= 256


LINKS: Links = ways().of(Came(API, Style.PREFIX), "box", None)


@pytest.mark.parametrize(
    ("media_type", "covered"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.github+json", True),
        ("application/problem+json", True),
        ("text/json", True),
        ("application/vnd.github.raw+json; charset=utf-8", False),
        ("application/vnd.github.diff", False),
        ("application/x-ndjson", False),
        ("application/jsonp", False),
        ("text/html", False),
        ("", True),
        (" ; charset=utf-8", True),
    ],
)
def test_covers(media_type: str, covered: bool) -> None:
    """JSON is covered by any of its names and by none at all, but where the catalogue says that it is a file."""
    assert LINKS.covers((("etag", "1"), ("content-type", media_type))) is covered


def test_shown() -> None:
    """An answer of the upstream is shown with other links, one of ours is not touched, a stored one keeps its own."""
    body = b'{"url": "https://api.github.com/a"}'
    headers = (JSON, ("link", "</b?page=2>; rel=next"), ("location", "/c"), ("content-location", "d"), ("etag", "/e"))
    stored = Whole(200, headers, body, url=ABOUT)
    shown = LINKS.shown(stored)
    assert isinstance(shown, Whole)
    assert shown.body == b'{"url": "http://box/gh/a"}'
    assert dict(shown.headers) == {
        "content-type": JSON[1],
        "link": "<http://box/gh/b?page=2>; rel=next",
        "location": "http://box/gh/c",
        "content-location": "http://box/gh/repos/a/d",
        "etag": "/e",
    }
    assert stored.body == body
    ours = Whole(403, headers, body)
    assert LINKS.shown(ours) is ours
    other = ways().of(Came(API, Style.PORT), "127.0.0.1", 8001).shown(stored)
    assert isinstance(other, Whole)
    assert other.body == b'{"url": "http://127.0.0.1:8001/a"}'


def test_only_headers() -> None:
    """Of a stream, of another media type and of no body only the headers are rewritten."""

    async def nothing(_delivered: int, _complete: bool) -> None:
        raise AssertionError

    link, body = ("link", "</b>; rel=next"), b'"https://api.github.com/a"'
    stream = Streamed(200, (JSON, link), None, bool, 1.0, nothing, url=ABOUT)  # type: ignore[arg-type]
    assert dict(LINKS.shown(stream).headers)["link"] == "<http://box/gh/b>; rel=next"
    text = LINKS.shown(Whole(200, (("content-type", "text/plain"), link), body, url=ABOUT))
    assert isinstance(text, Whole)
    assert (text.body, dict(text.headers)["link"]) == (body, "<http://box/gh/b>; rel=next")
    empty = LINKS.shown(Whole(204, (link,), b"", url=ABOUT))
    assert dict(empty.headers)["link"] == "<http://box/gh/b>; rel=next"


def test_no_links() -> None:
    """Before a door is known nothing is rewritten."""
    answer = Whole(200, (JSON, ("location", "https://api.github.com/a")), b'"https://api.github.com/a"', url=ABOUT)
    assert NO_LINKS.shown(answer) == answer
