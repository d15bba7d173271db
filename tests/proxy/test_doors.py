"""Doors by port, prefix, host and socket: where a call comes in, and under which name, says what it is for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from breakers.verdict import Reason
from loadtest.installation import agent
from proxy.doors import SHARED, Came, Door, Style, door_hosts, through
from proxy.errors import Refused
from tests.proxy.road import SUPPORT, Road, first_sentence, marks, road
from tests.proxy.scripted import Scripted, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

API, FILES, ALL = Door("stripe", "stripe", "api"), Door("stripe.files", "stripe", "files"), Door(SHARED)
SOCKET = Door("site", "site", "api", unix=True)
SOCKET_FILES = Door("site.files", "site", "files")
DOORS = {door.name: door for door in (API, FILES, SOCKET, SOCKET_FILES, ALL)}
HOSTS = door_hosts(DOORS, {"files.internal": "stripe.files"})
PORT, PREFIX, HOST, UNIX = Style.PORT, Style.PREFIX, Style.HOST, Style.UNIX
HUB = agent({"github": {"issues/get": {}}, "stripe": {"customers.*": {}}})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Scripted]:
    """
    Give one upstream for all.
    """
    async with scripted() as peer:
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(upstream: Scripted, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road with a shared port.
    """
    hub = {"catalog": "github", "upstream": upstream.url, "credential": {"env": "STRIPE_SECRET"}}
    folder, agents = tmp_path_factory.mktemp("doors"), {"support": SUPPORT, "hub": HUB}
    hosts = {"github.internal": "github"}
    async with road(
        folder, upstream.url, apis={"github": hub}, agents=agents, shared="127.0.0.1:0", hosts=hosts
    ) as running:
        yield running


@pytest.mark.parametrize(
    ("door", "host", "path", "wanted", "style", "rest"),
    [
        (API, "127.0.0.1", "v1/customers", API, PORT, "v1/customers"),
        (API, "anything.example", "stripe.files/v1", API, PORT, "stripe.files/v1"),
        (API, "stripe.localhost", "v1", API, PORT, "v1"),
        (SOCKET, "localhost", "v1", SOCKET, UNIX, "v1"),
        (SOCKET, "site.files.localhost", "v1", SOCKET_FILES, UNIX, "v1"),
        (ALL, "127.0.0.1", "stripe/v1/customers", API, PREFIX, "v1/customers"),
        (ALL, "localhost", "stripe.files/v1/files", FILES, PREFIX, "v1/files"),
        (ALL, "", "stripe", API, PREFIX, ""),
        (ALL, "stripe.localhost", "v1/customers", API, HOST, "v1/customers"),
        (ALL, "stripe.files.localhost", "v1", FILES, HOST, "v1"),
        (ALL, "files.internal", "v1", FILES, HOST, "v1"),
        (ALL, "stripe.localhost", "site/v1", API, HOST, "site/v1"),
    ],
)
async def test_through(door: Door, host: str, path: str, wanted: Door, style: Style, rest: str) -> None:
    """A door of its own needs no name; on the shared one a host names one, or else the first segment, which stays."""
    segments, left = (tuple(text.split("/")) if text else () for text in (path, rest))
    assert through(door, host, segments, DOORS, HOSTS) == (Came(wanted, style), left)


@pytest.mark.parametrize(
    ("door", "host"),
    [(API, "stripe.files.localhost"), (API, "files.internal"), (API, "site.localhost"), (SOCKET, "stripe.localhost")],
)
async def test_other_door(door: Door, host: str) -> None:
    """A host that names another door than the one it came through is refused, but another base's on a socket."""
    with pytest.raises(Refused, match="names another door"):
        through(door, host, ("v1",), DOORS, HOSTS)


@pytest.mark.parametrize(
    "segments", [(), ("v1", "customers"), ("shared", "v1"), ("Stripe", "v1"), ("stripe.api",), ("stripe.",)]
)
async def test_no_door(segments: tuple[str, ...]) -> None:
    """A prefix that names no door, or the shared one itself, leads nowhere, and the refusal lists the doors."""
    with pytest.raises(Refused) as refused:
        through(ALL, "nowhere.localhost", segments, DOORS, HOSTS)
    assert refused.value.reason is Reason.DOOR_UNKNOWN
    assert "/stripe, /stripe.files; and these hosts: files.internal, site.files" in refused.value.detail


async def test_by_port(on: Road, upstream: Scripted) -> None:
    """Each base of each API has a port of its own, on which another base's or API's operations do not exist."""
    assert set(on.rooms.addresses) == {
        "admin", "shared", "stripe", "stripe.files", "stripe.meter_events", "github", "github.uploads",
    }  # fmt: skip
    assert len(set(on.rooms.addresses.values())) == len(on.rooms.addresses)
    upstream.asked.clear()
    for door, target in (
        ("stripe.files", "/v1/customers"),
        ("stripe", "/repos/acme/a/issues/1"),
        ("github", "/v1/customers"),
        ("stripe", "/stripe/v1/customers"),
        ("stripe", "/readyz"),
    ):
        assert (await on.ask("GET", target, door=door)).reason == "operation-unknown"
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("agent", "target", "api", "line"),
    [
        ("support", "/stripe/v1/customers?limit=3", "stripe", "GET /v1/customers?limit=3 HTTP/1.1"),
        ("hub", "/github/repos/acme/a/issues/1", "github", "GET /repos/acme/a/issues/1 HTTP/1.1"),
    ],
)
async def test_by_prefix(agent: str, target: str, api: str, line: str, on: Road, upstream: Scripted) -> None:
    """On the shared port the prefix picks the door, and what leaves does not have it."""
    upstream.asked.clear()
    assert (await on.ask("GET", target, door="shared", agent=agent)).status == 200
    assert [asked.line for asked in upstream.asked] == [line]
    assert (on.log.lines[-1]["door"], on.log.lines[-1]["api"]) == (api, api)


@pytest.mark.parametrize("host", ["github.localhost", "GitHub.localhost:80", "github.internal"])
async def test_by_host(host: str, on: Road, upstream: Scripted) -> None:
    """On the shared port a host picks the door, in any case and with any port, and the path is the API's own."""
    upstream.asked.clear()
    head = on.head("GET", "/repos/acme/a/issues/1", [("Authorization", f"Bearer {on.keys['hub']}")])
    connection = await on.connect("shared")
    await connection.send(head.replace(b"breakwater.example", host.encode()))
    got = await connection.answer()
    await connection.end()
    assert got is not None
    assert got.status == 200
    assert [asked.line for asked in upstream.asked] == ["GET /repos/acme/a/issues/1 HTTP/1.1"]
    assert on.log.lines[-1]["door"] == "github"


@pytest.mark.parametrize(
    "target", ["/", "/v1/customers", "/nowhere/v1/customers", "/shared/stripe/v1", "/admin/v1/keys"]
)
async def test_elsewhere(target: str, on: Road, upstream: Scripted) -> None:
    """A prefix without a door is 421 before anyone is identified, and is never forwarded."""
    upstream.asked.clear()
    no = await on.ask("GET", target, door="shared", key="")
    assert marks(no) == (421, "denied", "no", "inbound:door-unknown")
    assert first_sentence(no.json["detail"]) == "Nothing was sent to the upstream."
    assert no.header("Retry-After") is None
    assert upstream.asked == []


async def test_same_rules(on: Road, upstream: Scripted) -> None:
    """The shared port is another way in, not another card."""
    upstream.asked.clear()
    assert (await on.ask("DELETE", "/stripe/v1/customers/cus_1", door="shared")).reason == "not-allowed"
    assert (await on.ask("GET", "/stripe", door="shared")).reason == "operation-unknown"
    assert upstream.asked == []
