"""Tasks and tokens over the admin door: an operator's or a platform's, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.cli import main
from tests.proxy.road import Road, closed_port, configured, road
from tests.proxy.tasked import narrower, said, under

CAPS = {"moved": "200 USD", "calls": 6}
TASK = {
    "agent": "support",
    "ttl": "10m",
    "record": "ticket:1",
    "caps": CAPS,
    "for": "stripe",
}
UNKNOWN = "/v1/tasks/support/01M7YZDQY12XJKES0GC4ZSQHB4"


@pytest_asyncio.fixture
async def on(tmp_path: Path) -> AsyncIterator[Road]:
    """
    Give a road that leads nowhere.
    """
    async with road(tmp_path, f"http://127.0.0.1:{closed_port()}") as running:
        yield running


async def test_story(on: Road) -> None:
    """A task is opened, shown with what was taken of it, given another token, and closed."""
    made = await on.admin("POST", "/v1/tasks", TASK)
    task = made.json
    assert (made.status, task["state"], task["record"]) == (201, "open", "ticket:1")
    assert task["token"].startswith("rk_bw1_1_")
    assert (await under(on, task["token"])).status == 503
    (one,) = (await on.admin("GET", "/v1/tasks")).json
    assert (one["task"], "token" in one) == (task["task"], False)
    more = (await on.admin("POST", f"/v1/tasks/{task['task']}/tokens", {"caveats": ["n=1"], "ttl": "1m"})).json
    assert more["caveats"][-1] == "n=1"
    assert more["tid"] != task["tid"]
    shown = (await on.admin("GET", f"/v1/tasks/{task['task']}")).json
    assert (shown["caps"]["calls"], shown["caps"]["moved"]) == (6, ["200.00 USD"])
    # The call never left: nothing of it was taken.
    assert shown["taken"] == []
    closed = (await on.admin("POST", f"/v1/tasks/{task['task']}/close", {})).json
    assert closed["state"] == "done"
    assert (await on.admin("GET", "/v1/tasks")).json == []
    assert said(await under(on, more["token"])) == (403, "task-closed")


async def test_revoke(on: Road) -> None:
    """A token is taken back by its id or by its text, and is not in the answer."""
    task = (await on.admin("POST", "/v1/tasks", {"agent": "support"})).json
    child = narrower(task["token"], "m=GET")
    gone = await on.admin("POST", "/v1/tokens/revoke", {"token": child})
    verified = on.rooms.tokens.verify(child)
    assert verified is not None
    assert (gone.json["tid"], gone.json["until"]) == (verified.ids[-1], task["expires"])
    assert said(await under(on, child)) == (401, "token-expired")
    gone = await on.admin("POST", "/v1/tokens/revoke", {"token": task["tid"]})
    assert (gone.status, gone.json["tid"]) == (200, task["tid"])
    assert said(await under(on, task["token"])) == (401, "token-expired")


REFUSED: dict[str, tuple[str, str, object, int]] = {
    "no body": ("POST", "/v1/tasks", b"", 409),
    "no JSON": ("POST", "/v1/tasks", b"{", 409),
    "no object": ("POST", "/v1/tasks", [], 409),
    "no agent": ("POST", "/v1/tasks", {}, 409),
    "no card": ("POST", "/v1/tasks", {"agent": "nobody"}, 409),
    "a name with signs": ("POST", "/v1/tasks", {"agent": "../support"}, 409),
    "what is not known": ("POST", "/v1/tasks", {"agent": "support", "budget": 1}, 409),
    "a float": ("POST", "/v1/tasks", {"agent": "support", "caps": {"moved": 1.5}}, 409),
    "too long": ("POST", "/v1/tasks", {"agent": "support", "ttl": "25h"}, 409),
    "an unknown one": ("GET", UNKNOWN, None, 409),
    "an unknown one closed": ("POST", f"{UNKNOWN}/close", {}, 409),
    "a token of an unknown one": ("POST", f"{UNKNOWN}/tokens", {}, 409),
    "no id": ("GET", "/v1/tasks/support/2026-11-21", None, 404),
    "half a token": ("POST", "/v1/tokens/revoke", {"token": "bw1_1_abc"}, 409),
    "no token": ("POST", "/v1/tokens/revoke", {}, 409),
    "a token that is a number": ("POST", "/v1/tokens/revoke", {"token": 5}, 409),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(name: str, on: Road) -> None:
    """What cannot be done is refused with what to do instead, and nothing is on record of it."""
    method, path, body, status = REFUSED[name]
    size = on.rooms.ledger.size
    no = await on.admin(method, path, body)
    assert no.status == status
    assert no.json["error"]
    assert no.json["hint"]
    assert b"bw1_1_abc" not in no.raw
    assert on.rooms.ledger.size == size


async def test_not_for_agents(on: Road) -> None:
    """Neither an agent's key nor a task's token opens a task."""
    task = (await on.admin("POST", "/v1/tasks", {"agent": "support"})).json
    for token in (on.keys["support"], task["token"], ""):
        assert (await on.admin("POST", "/v1/tasks", TASK, token=token)).status == 401


def test_shared_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where others share the store nothing is opened behind their back on a folder that no process serves."""
    configured(tmp_path, {"store": "redis://127.0.0.1:6379/0", "apis": {}, "agents": {}})
    assert main(["task", "open", "--agent", "support", "--config", str(tmp_path / "breakwater.yaml")]) == 1
    assert "ask a process that runs" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
