"""The same at the doors of four APIs: each is refused, or told of an upstream's 401, in its own shape."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from config.importing import import_document
from config.table_file import write_table
from loadtest.installation import agent
from tests.proxy.road import JIRA_USER, Road, call_of, first_sentence, marks, road
from tests.proxy.scripted import Scripted, answer, scripted
from tests.proxy.shapes import message, ours

pytestmark = pytest.mark.asyncio(loop_scope="module")

PETS = {
    "source": "pets 1",
    "title": "Pets",
    "servers": {"api": "https://api.pets.example"},
    "operations": [{"name": "pets.list", "method": "GET", "path": "/pets"}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Scripted]:
    """
    Give one upstream for every API.
    """
    async with scripted() as peer:
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def four(upstream: Scripted, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road to four APIs, one of which has no shape of its own for errors.
    """
    folder = tmp_path_factory.mktemp("four")
    _write_pets(folder)
    secret = {"env": "STRIPE_SECRET"}
    apis = {
        "github": {
            "catalog": "github",
            "upstream": {"api": upstream.url, "uploads": upstream.url},
            "credential": secret,
        },
        "jira": {"catalog": "jira", "upstream": upstream.url, "credential": {**secret, "user": JIRA_USER}},
        "pets": {"catalog": "pets.table.json", "upstream": upstream.url, "credential": secret},
    }
    card = agent(
        {
            "stripe": {"customers.list": {}, "customers.create": {}},
            "github": {"issues/get": {}, "issues/create": {}},
            "jira": {"getIssue": {}, "createIssue": {}},
            "pets": {"pets.list": {}},
        }
    )
    async with road(folder, upstream.url, apis=apis, agents={"support": card}, shared="127.0.0.1:0") as running:
        yield running


def _write_pets(folder: Path) -> None:
    (folder / "pets.table.json").write_text(write_table(import_document(json.dumps(PETS).encode(), "pets")))


READS = {
    "stripe": "/v1/customers",
    "github": "/repos/acme/support/issues/1",
    "jira": "/rest/api/3/issue/A-1",
    "none": "/pets",
}
DOORS = {"none": "pets"}
TITLES = {"stripe": "Stripe", "github": "GitHub", "jira": "Jira", "none": "Pets"}


@pytest.mark.parametrize("name", READS)
async def test_through_the_door(name: str, four: Road, upstream: Scripted) -> None:
    """An unknown operation at each API's door is refused in that API's shape, under its name, and not sent."""
    upstream.asked.clear()
    no = await four.ask("GET", "/nothing/like/it", door=DOORS.get(name, name))
    assert marks(no) == (403, "denied", "no", "classify:operation-unknown")
    said = message(name, no.json)
    assert first_sentence(said) == f"Nothing was sent to {TITLES[name]}."
    assert ours(name, no.json)["call"] == call_of(no)
    assert upstream.asked == []


@pytest.mark.parametrize("by", ["prefix", "host"])
@pytest.mark.parametrize("name", READS)
async def test_through_the_shared_door(name: str, by: str, four: Road) -> None:
    """A request that has no single meaning is refused in the shape of the API whose prefix or host it names."""
    door = DOORS.get(name, name)
    host, path = ("breakwater.example", f"/{door}") if by == "prefix" else (f"{door}.localhost", "")
    connection = await four.connect("shared")
    await connection.send(f"GET {path}/a//b HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    no = await connection.answer()
    assert no is not None
    assert (no.status, no.reason) == (400, "target-malformed")
    assert first_sentence(message(name, no.json)) == f"Nothing was sent to {TITLES[name]}."
    await connection.end()


@pytest.mark.parametrize("name", READS)
async def test_unparsed(name: str, four: Road) -> None:
    """What does not parse is refused at each door in its API's shape, unquoted, and the connection ends."""
    connection = await four.connect(DOORS.get(name, name))
    await connection.send(b"GET /zqxjkv HTTP/1.1\r\nHost: a\r\nzqxjkv : b\r\n\r\n")
    no = await connection.answer()
    assert no is not None
    assert (no.status, no.reason) == (400, "head-malformed")
    assert first_sentence(message(name, no.json)) == f"Nothing was sent to {TITLES[name]}."
    assert b"zqxjkv" not in no.raw
    await connection.rest()
    assert connection.closed
    await connection.end()


@pytest.mark.parametrize("name", READS)
async def test_credential_refused(name: str, four: Road, upstream: Scripted) -> None:
    """An upstream's 401 keeps its status and the API's shape, with a message that the agent's own key is fine."""
    theirs = b'{"message": "Bad credentials: upstream-secret"}'
    upstream.then(answer(401, theirs, "WWW-Authenticate: Basic"))
    got = await four.ask("GET", READS[name], door=DOORS.get(name, name))
    assert marks(got) == (401, "executed", "yes", "forward:allowed")
    assert "Your key is fine" in message(name, got.json)
    assert first_sentence(message(name, got.json)).startswith(f"The request WAS sent to {TITLES[name]} and not")
    assert ours(name, got.json)["reason"] == "upstream-credential-refused"
    assert b"Bad credentials" not in got.raw
    assert got.header("WWW-Authenticate") is None
    record = (await four.opened(call_of(got)))[0]
    assert record["entry"]["st"] == 401
    assert "Your key is fine" in record["payloads"]["seen"]["text"]


async def test_credential_refused_write(four: Road, upstream: Scripted) -> None:
    """A write's 401 is answered as a read's is, and both what came and what was shown are on record."""
    upstream.then(answer(401, b'{"message": "Bad credentials"}'))
    sent = b'{"title":"a"}'
    got = await four.ask("POST", "/repos/acme/support/issues", door="github", body=sent, media="application/json")
    assert got.status == 401
    assert "Your key is fine" in got.json["message"]
    _, outcome = await four.opened(call_of(got))
    assert outcome["payloads"]["resp"]["text"] == '{"message": "Bad credentials"}'
    assert "Your key is fine" in outcome["payloads"]["seen"]["text"]
    assert outcome["entry"]["eff"] == "not_applied"
