"""Who may do what at the admin door: every route that changes something, against every role and every kind of token."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from loadtest.upstreams.stripe import StripeSandbox
from proxy.clock import system_randomness
from proxy.control.api import OPEN_PATHS, admin_app
from proxy.control.roles import LOOKS, WHO
from tests.proxy.road import SECRET, Road, road

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROLES = ("admin", "approver", "finance", "resume", "break-glass", "")
OPERATORS = {role or "nobody": {"roles": [role] if role else []} for role in ROLES}
# Nobody may be called as whoever holds the token of the state folder is.
OPERATORS["root"] = OPERATORS.pop("admin")

ANYONE = frozenset({*OPERATORS, "HOUSE"})
ADMINS, PEOPLE = frozenset({"root", "HOUSE"}), frozenset(OPERATORS)

# Every route that changes something, and who may ask for it.
MAY: dict[tuple[str, str], frozenset[str]] = {
    ("POST", "/v1/keys"): ADMINS,
    ("DELETE", "/v1/keys/{kid}"): ADMINS,
    ("POST", "/v1/operators"): ADMINS,
    ("DELETE", "/v1/operators/{kid}"): ADMINS,
    ("POST", "/v1/vault"): ADMINS,
    ("POST", "/v1/vault/{name}"): ADMINS,
    ("POST", "/v1/vault/{name}/versions"): ADMINS,
    ("DELETE", "/v1/vault/{name}"): ADMINS,
    ("DELETE", "/v1/vault/{name}/versions/{number}"): ADMINS,
    ("POST", "/v1/doubt/{intent}/probe"): ADMINS,
    ("POST", "/v1/doubt/{intent}/resolve"): ADMINS,
    ("POST", "/v1/tasks"): ADMINS,
    ("POST", "/v1/tasks/{agent}/{ulid}/close"): ADMINS,
    ("POST", "/v1/tasks/{agent}/{ulid}/tokens"): ADMINS,
    ("POST", "/v1/tokens/revoke"): ADMINS,
    ("POST", "/v1/reload"): ADMINS,
    ("POST", "/v1/restart"): ADMINS,
    ("POST", "/v1/kill"): ANYONE,
    ("POST", "/v1/kill/drill"): ANYONE,
    ("POST", "/v1/resume"): frozenset({"resume", "HOUSE"}),
    ("POST", "/v1/break-glass"): frozenset({"break-glass"}),
    ("POST", "/v1/breakers/{key}/force"): frozenset({"resume", "HOUSE"}),
    ("POST", "/v1/breakers/{key}/release"): frozenset({"resume", "HOUSE"}),
    ("POST", "/v1/drift/{agent}/reset"): frozenset({"resume", "HOUSE"}),
    ("POST", "/v1/fleet/{id}/forget"): frozenset({"root", "HOUSE"}),
    ("POST", "/v1/suggestions/{id}/approve"): PEOPLE,
    ("POST", "/v1/suggestions/{id}/edit"): PEOPLE,
    ("POST", "/v1/suggestions/{id}/reject"): PEOPLE,
    ("POST", "/v1/reviews/{id}"): frozenset({"approver"}),
}

# Members that a path leaves open: nothing has such a name.
FILLED = {
    "{kid}": "nothing", "{name}": "nothing", "{number}": "1", "{intent}": "nothing", "{agent}": "nobody",
    "{ulid}": "0" * 26, "{key}": "nothing", "{id}": "nothing",
    "{kind}": "nothing",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    """
    Give a road with an operator of each role.
    """
    async with (
        StripeSandbox(secret=SECRET) as upstream,
        road(tmp_path_factory.mktemp("roles"), upstream.url, operators=OPERATORS) as running,
    ):
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tokens(on: Road) -> dict[str, str]:
    """
    Give each operator's token, and that of the state folder.
    """
    made = {name: (await on.admin("POST", "/v1/operators", {"operator": name})).json["token"] for name in OPERATORS}
    return made | {"HOUSE": (on.state / "admin.token").read_text()}


def path_of(pattern: str) -> str:
    """
    Return a path of this form.
    """
    for member, value in FILLED.items():
        pattern = pattern.replace(member, value)
    assert "{" not in pattern, pattern
    return pattern


async def test_every_route(on: Road) -> None:
    """Every route of the door is one that only looks, or one of which this table says who may ask for it."""
    app = admin_app(on.rooms, on.program.doubts, "a" * 52, system_randomness, on.program.reloading)
    changing = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method not in LOOKS
    }
    assert changing == set(MAY) == set(WHO)


@pytest.mark.parametrize(("method", "pattern"), MAY)
async def test_matrix(method: str, pattern: str, on: Road, tokens: dict[str, str]) -> None:
    """Whoever has the role is heard, and everybody else is told what is lacking, whatever is asked for."""
    said = {name: await on.admin(method, path_of(pattern), b"x", token=token) for name, token in tokens.items()}
    assert {name for name, answer in said.items() if answer.status != 403} == MAY[method, pattern]
    assert all("this needs" in answer.json["error"] for answer in said.values() if answer.status == 403)
    assert (await on.admin(method, path_of(pattern), b"x", token=on.keys["support"])).status == 401


async def test_everyone_looks(on: Road, tokens: dict[str, str]) -> None:
    """Whoever has a token may look at all that is shown, and an agent's key shows nothing of it."""
    app = admin_app(on.rooms, on.program.doubts, "a" * 52, system_randomness, on.program.reloading)
    shown = {route.resource.canonical for route in app.router.routes() if route.resource and route.method == "GET"}
    for pattern in shown - OPEN_PATHS:
        answers = {(await on.admin("GET", path_of(pattern), token=token)).status for token in tokens.values()}
        assert len(answers) == 1
        assert not answers & {401, 403}
        assert (await on.admin("GET", path_of(pattern), token=on.keys["support"])).status == 401


async def test_undeclared(on: Road, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A route of which nobody said who may ask for it needs the role `admin`."""
    monkeypatch.setattr("proxy.control.roles.WHO", {})
    for name, token in tokens.items():
        answer = await on.admin("POST", "/v1/suggestions/nothing/approve", b"x", token=token)
        assert (answer.status == 403) == (name not in ADMINS)


async def test_nothing_there(on: Road, tokens: dict[str, str]) -> None:
    """What is not there is said to be not there, whoever asks."""
    for token in tokens.values():
        assert (await on.admin("POST", "/v1/nothing", b"x", token=token)).status == 404
        assert (await on.admin("POST", "/v1/status", b"x", token=token)).status == 405
