"""Hypermedia on the road: whichever way a caller comes in, what it is shown leads back that way, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import pytest_asyncio

from loadtest.installation import agent
from proxy.doors import SHARED
from tests.proxy.road import Road, call_of, marks, road, soon
from tests.proxy.scripted import HANG_UP, Scripted, answer, scripted
from tests.wire.client import Answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

API, UPLOADS = "https://api.github.com", "https://uploads.github.com"
ISSUE = "/repos/acme/a/issues/1"
RULES = {
    "issues/get": {},
    "issues/list-for-repo": {},
    "issues/create": {"only": {"title": [f"{API}/repos/acme/a", "t"]}},
    "repos/upload-release-asset": {},
    "repos/get-content": {},
    "markdown/render": {},
}


@dataclass(frozen=True)
class Site:
    """One API behind ports and a shared port, and once more behind sockets."""

    upstream: Scripted
    on: Road

    async def ask(self, url: str, method: str = "GET", body: bytes = b"", *headers: tuple[str, str]) -> Answer:
        """
        Follow a URL as a client would that was given it, by the socket where the road has one.
        """
        where = urlsplit(url)
        target = f"{where.path}?{where.query}" if where.query else where.path
        # What is written is written anew with each style.
        meant = [("Breakwater-Duplicate", "allow")] if method == "POST" else []
        shown = [("Authorization", f"token {self.on.keys['hub']}"), *meant, *headers]
        head = self.on.head(method, target, shown, len(body) if body else None, "application/json" if body else None)
        connection = await self.on.connect(self._door(where.netloc))
        try:
            await connection.send(head.replace(b"breakwater.example", where.netloc.encode()) + body)
            got = await connection.answer(head=method == "HEAD")
            assert got is not None, "no answer"
            return got
        finally:
            await connection.end()

    def _door(self, authority: str) -> str:
        addresses = self.on.rooms.addresses
        by_port = {urlsplit(url).port: name for name, url in addresses.items() if url.startswith("http")}
        port = urlsplit(f"http://{authority}").port
        if port is not None:
            return by_port[port]
        return "github" if addresses["github"].startswith("unix:") and "shared" not in authority else SHARED

    def bases(self, style: str) -> tuple[str, str]:
        """
        Return the URLs of the two bases as a caller of this style writes them.
        """
        addresses = self.on.rooms.addresses
        shared = urlsplit(addresses[SHARED]).netloc or "shared"
        return {
            "port": (addresses["github"], addresses["github.uploads"]),
            "localhost": tuple(addresses[d].replace("127.0.0.1", "localhost") for d in ("github", "github.uploads")),
            "prefix": (f"http://{shared}/github", f"http://{shared}/github.uploads"),
            "host": (
                f"http://github.localhost:{shared.rpartition(':')[2]}",
                f"http://github.uploads.localhost:{shared.rpartition(':')[2]}",
            ),
            "socket": ("http://github.localhost", "http://github.uploads.localhost"),
            "shared socket": (f"http://{shared}/github", f"http://{shared}/github.uploads"),
        }[style]  # type: ignore[return-value] # two each


def api(upstream: Scripted) -> dict[str, Any]:
    """
    Return the configuration of GitHub's two bases at one address.
    """
    return {"github": {"catalog": "github", "upstream": upstream.url, "credential": {"env": "STRIPE_SECRET"}}}


# Its answers are laid out one by one; that it is asked for the same again and again is no loop.
HUB = agent({"github": RULES}, loops=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """
    Give the API behind ports.
    """
    more: dict[str, Any] = {"agents": {"hub": HUB}, "limits": {"rewrite_max_bytes": "64KiB"}}
    async with scripted() as peer:
        folder = tmp_path_factory.mktemp("ports")
        async with road(folder, peer.url, apis=api(peer), shared="127.0.0.1:0", **more) as running:
            yield Site(peer, running)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """
    Give the API behind sockets.
    """
    more: dict[str, Any] = {"agents": {"hub": HUB}, "doors": {"github": "unix:gh.sock"}}
    async with scripted() as peer:
        folder = tmp_path_factory.mktemp("sockets")
        async with road(folder, peer.url, apis=api(peer), shared="unix:all.sock", **more) as running:
            yield Site(peer, running)


OBJECT = (
    '{ "url":"API/repos/acme/a/issues/1" ,\n  "labels_url" : "API\\/repos\\/acme\\/a\\/issues\\/1\\/labels{/name}",'
    '"upload_url":"UPLOADS/repos/acme/a/releases/1/assets{?name,label}","self":"OWN/repos/acme/a",'
    '"html_url":"https://github.com/acme/a/issues/1","body":"see https://api.github.com/repos/acme/a",'
    '"https://api.github.com/":"\\u00fc","n":1.10}'
)


def text(base: str, uploads: str, own: str) -> bytes:
    """
    Return an object of GitHub's with links to both bases, spelled as no encoder of ours would.
    """
    return OBJECT.replace("API", base).replace("UPLOADS", uploads).replace("OWN", own).encode()


STYLES = ("port", "localhost", "prefix", "host", "socket", "shared socket")


def of(style: str, request: pytest.FixtureRequest) -> Site:
    """
    Return the road that has this style.
    """
    found: Site = request.getfixturevalue("local" if "socket" in style else "site")
    found.upstream.asked.clear()
    return found


@pytest.mark.parametrize("style", STYLES)
async def test_links(style: str, site: Site, local: Site, request: pytest.FixtureRequest) -> None:
    """A body's links to two bases and the next page lead back the way the caller came, and the rest is as it came."""
    to = of(style, request)
    base, uploads = to.bases(style)
    link = f'<{to.upstream.url}{ISSUE}?page=2>; rel="next", <{API}{ISSUE}?page=9>; rel="last"'
    to.upstream.then(answer(200, text(API, UPLOADS, to.upstream.url), f"Link: {link}"))
    got = await to.ask(f"{base}{ISSUE}")
    assert got.body == text(base, uploads, base)
    assert got.header("Link") == link.replace(to.upstream.url, base).replace(API, base)
    assert int(got.header("Content-Length") or 0) == len(got.body)
    asset = got.json["upload_url"].partition("{")[0]
    next_page = (got.header("Link") or "").partition("<")[2].partition(">")[0]
    followed = [
        await to.ask(got.json["url"]),
        await to.ask(next_page),
        await to.ask(f"{asset}?name=a.zip", "POST", b"{}"),
    ]
    assert [went.status for went in followed] == [200] * 3
    assert {
        f"GET {ISSUE} HTTP/1.1", f"GET {ISSUE}?page=2 HTTP/1.1",
        "POST /repos/acme/a/releases/1/assets?name=a.zip HTTP/1.1",
    } <= {asked.line for asked in to.upstream.asked[1:]}  # fmt: skip
    assert to.on.log.of("call")[-1]["door"] == "github.uploads"


@pytest.mark.parametrize("style", STYLES)
async def test_requests(style: str, site: Site, local: Site, request: pytest.FixtureRequest) -> None:
    """A door's URL in a value is the vendor's own to the policy, the upstream and the record; text keeps it."""
    to = of(style, request)
    base, _ = to.bases(style)
    sent = {
        "title": f"{base}/repos/acme/a",
        "body": f"see {base}/x",
        "labels": [f"{base}/y{{/z}}", "https://x.example"],
    }
    to.upstream.then(answer(201, text(API, UPLOADS, to.upstream.url), f"Location: {ISSUE}"))
    got = await to.ask(f"{base}/repos/acme/a/issues", "POST", json.dumps(sent).encode())
    assert marks(got) == (201, "executed", "yes", "forward:allowed")
    assert got.header("Location") == f"{base}{ISSUE}"
    assert got.json["url"] == f"{base}{ISSUE}"
    (asked,) = [asked for asked in to.upstream.asked if asked.line.startswith("POST")]
    wanted = {"title": f"{API}/repos/acme/a", "body": sent["body"], "labels": [f"{API}/y{{/z}}", "https://x.example"]}
    assert asked.json == wanted
    intent, *_ = await to.on.opened(call_of(got))
    assert json.loads(intent["payloads"]["req"]["text"])["body"] == {"json": wanted}
    await to.ask(f"{base}/repos/acme/a/issues?labels={quote(f'{base}/y', safe='')}&creator=me")
    line = f"GET /repos/acme/a/issues?labels={quote(f'{API}/y', safe='')}&creator=me HTTP/1.1"
    assert line in {asked.line for asked in to.upstream.asked}


WAYS = {"port": "port", "prefix": "prefix", "host": "host", "socket": "unix", "shared socket": "prefix"}


@pytest.mark.parametrize("style", WAYS)
async def test_record(style: str, site: Site, local: Site, request: pytest.FixtureRequest) -> None:
    """The record keeps the upstream's bytes of a read and of a write, and says by which door they were shown."""
    to = of(style, request)
    base, _ = to.bases(style)
    came = text(API, UPLOADS, to.upstream.url)
    for status, method, path, body, part in (
        (200, "GET", ISSUE, b"", "seen"),
        (201, "POST", "/repos/acme/a/issues", b'{"title":"t"}', "resp"),
    ):
        to.upstream.then(answer(status, came))
        got = await to.ask(f"{base}{path}", method, body)
        assert base.encode() in got.body
        records = await to.on.opened(call_of(got))
        ended = next(record for record in records if record["entry"]["k"] == "call.outcome")
        assert ended["payloads"][part]["text"].encode() == came
        assert ended["entry"]["seen"].get("same", False) is (method == "POST")
        assert records[0]["entry"]["door"] == {"name": "github", "by": WAYS[style]}


async def test_redirect(site: Site) -> None:
    """A redirect is handed to the caller as a door's URL, not followed here, and judged anew when it comes back."""
    base, _ = site.bases("port")
    for status, method, to, body in (
        (301, "GET", f"{API}/repositories/1/nothing", b""),
        (302, "GET", "/repos/acme/b", b""),
        (307, "POST", f"{site.upstream.url}/user/repos", b'{"title":"t"}'),
    ):
        site.upstream.asked.clear()
        site.upstream.then(answer(status, b"{}", f"Location: {to}"))
        path = ISSUE if method == "GET" else "/repos/acme/a/issues"
        got = await site.ask(f"{base}{path}", method, body)
        assert (got.status, got.header("Location")) == (status, f"{base}{urlsplit(to).path}")
        again = await site.ask(got.header("Location") or "", method, body)
        assert again.reason in {"not-allowed", "operation-unknown"}
        assert len(site.upstream.asked) == 1


async def test_too_large(site: Site) -> None:
    """A JSON answer beyond the bound is refused in words, the record says what was shown; other types stream."""
    base, _ = site.bases("port")
    site.upstream.then(answer(200, b'"' + b"x" * 70_000 + b'"'))
    got = await site.ask(f"{base}{ISSUE}")
    assert marks(got) == (502, "executed", "yes", "forward:answer-too-large")
    assert got.header("Retry-After") is None
    (record,) = await site.on.opened(call_of(got))
    assert (record["entry"]["st"], record["entry"]["err"]) == (200, {"class": "too-large"})
    assert record["payloads"]["seen"]["text"].encode() == got.body
    assert record["entry"]["blobs"][-1]["p"] == "seen"
    body = b"x" * 70_000
    for media in ("text/plain", "application/vnd.github.raw+json; charset=utf-8"):
        site.upstream.then(answer(200, body).replace(b"application/json", media.encode()))
        got = await site.ask(f"{base}/repos/acme/a/contents/x")
        assert (got.status, got.body) == (200, body)


async def test_verbatim(site: Site) -> None:
    """A file that is asked for raw is its own bytes, even where it is JSON with URLs of the API."""
    base, _ = site.bases("port")
    file = b'{"homepage": "https://api.github.com/x"}'
    raw = answer(200, file).replace(b"application/json", b"application/vnd.github.raw+json; charset=utf-8")
    site.upstream.then(raw)
    assert (await site.ask(f"{base}/repos/acme/a/contents/package.json")).body == file


async def test_no_json(site: Site) -> None:
    """What says that it is JSON and is not passes as it came, and an empty body stays one."""
    base, _ = site.bases("port")
    for body in (b"no JSON: https://api.github.com/x", b""):
        site.upstream.then(answer(200, body))
        got = await site.ask(f"{base}{ISSUE}")
        assert (got.status, got.body) == (200, body)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_bodiless(status: bytes, site: Site) -> None:
    """A status without a body has none, and its links lead to doors."""
    base, _ = site.bases("port")
    said = b"\r\nContent-Type: application/json\r\nLink: <%b/x>; rel=next\r\n\r\n" % API.encode()
    site.upstream.then(b"HTTP/1.1 " + status + said)
    got = await site.ask(f"{base}{ISSUE}")
    assert (got.status, got.body, got.header("Link")) == (int(status[:3]), b"", f"<{base}/x>; rel=next")


async def test_head(site: Site) -> None:
    """A HEAD has the headers of the answer and no body."""
    base, _ = site.bases("port")
    site.upstream.then(answer(200, b"", f"Location: {API}/x").replace(b"Content-Length: 0", b"Content-Length: 70000"))
    got = await site.ask(f"{base}{ISSUE}", "HEAD")
    assert (got.status, got.body, got.header("Location")) == (200, b"", f"{base}/x")


async def test_partial(site: Site) -> None:
    """A part of a JSON text is not passed on, one of another type is."""
    base, _ = site.bases("port")
    wanted, ranged = ("Range", "bytes=0-"), "Content-Range: bytes 0-1/9"
    site.upstream.then(answer(206, b'{"url":"https://api.github.com/x"}', ranged))
    got = await site.ask(f"{base}{ISSUE}", "GET", b"", wanted)
    assert marks(got) == (502, "executed", "yes", "forward:upstream-malformed")
    (record,) = await site.on.opened(call_of(got))
    assert record["payloads"]["seen"]["text"].encode() == got.body
    site.upstream.then(answer(206, b"ab", ranged).replace(b"application/json", b"text/plain"))
    got = await site.ask(f"{base}/repos/acme/a/contents/x", "GET", b"", wanted)
    assert (got.status, got.body) == (206, b"ab")


async def test_cut(site: Site) -> None:
    """A JSON answer that breaks off is 502 instead of a stream that breaks, because nothing was shown yet."""
    base, _ = site.bases("port")
    site.upstream.then(answer(200, b'{"a": 1}').replace(b"Content-Length: 8", b"Content-Length: 99"), HANG_UP)
    got = await site.ask(f"{base}{ISSUE}")
    assert marks(got) == (502, "executed", "yes", "forward:upstream-malformed")
    (record,) = await site.on.opened(call_of(got))
    assert record["entry"]["err"] == {"class": "truncated"}


async def test_gone(site: Site) -> None:
    """Whoever left before the whole answer was there is on record as not having got it."""
    more = asyncio.Event()
    site.upstream.then(answer(200, b'{"a": 1}').removesuffix(b"}"), more, b"}")
    seen = len(site.on.log.of("call"))
    connection = await site.on.connect("github")
    await connection.send(site.on.head("GET", ISSUE, [("Authorization", f"token {site.on.keys['hub']}")]))
    asked = len(site.upstream.asked)
    await soon(lambda: len(site.upstream.asked) > asked)
    await connection.end()
    more.set()
    await soon(lambda: len(site.on.log.of("call")) > seen)
    call = str(site.on.log.of("call")[-1]["call"])
    assert await site.on.kinds(call) == ["call.outcome", "call.delivery"]
