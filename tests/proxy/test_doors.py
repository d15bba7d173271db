"""Doors by port and by path prefix: where a call comes in says which API, and which base of it, it is for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from breakers.verdict import Reason
from loadtest.installation import agent
from proxy.doors import SHARED, Door, through
from proxy.errors import Refused
from tests.proxy.road import SUPPORT, Road, first_sentence, marks, road
from tests.proxy.scripted import Scripted, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

API, FILES, ALL = Door("stripe", "stripe", "api"), Door("stripe.files", "stripe", "files"), Door(SHARED)
DOORS = {door.name: door for door in (API, FILES, ALL)}
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
    async with road(folder, upstream.url, apis={"github": hub}, agents=agents, shared="127.0.0.1:0") as running:
        yield running


@pytest.mark.parametrize(
    ("door", "segments", "wanted"),
    [
        (API, ("v1", "customers"), (API, ("v1", "customers"))),
        (API, ("stripe.files", "v1"), (API, ("stripe.files", "v1"))),
        (ALL, ("stripe", "v1", "customers"), (API, ("v1", "customers"))),
        (ALL, ("stripe.files", "v1", "files"), (FILES, ("v1", "files"))),
        (ALL, ("stripe",), (API, ())),
    ],
)
async def test_through(door: Door, segments: tuple[str, ...], wanted: tuple[Door, tuple[str, ...]]) -> None:
    """A port is its own door, and on the shared port the first segment says which, and goes no further."""
    assert through(door, segments, DOORS) == wanted


@pytest.mark.parametrize(
    "segments", [(), ("v1", "customers"), ("shared", "v1"), ("Stripe", "v1"), ("stripe.api",), ("stripe.",)]
)
async def test_no_door(segments: tuple[str, ...]) -> None:
    """A prefix that names no door, or the shared one itself, leads nowhere, and the refusal lists the doors."""
    with pytest.raises(Refused) as refused:
        through(ALL, segments, DOORS)
    assert refused.value.reason is Reason.DOOR_UNKNOWN
    assert "/stripe, /stripe.files" in refused.value.detail


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
