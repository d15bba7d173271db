"""Unix sockets as doors: for their owner alone, replaced when stale, busy when alive, gone at a clean stop."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from config.load import Configuration
from loadtest.installation import agent
from proxy import app, sockets
from proxy.cli.client import Running
from proxy.dial import Dialer
from proxy.doors import Door
from proxy.errors import AddressRefused, StartRefused
from proxy.sockets import Listener
from tests.proxy.road import Road, configured, road
from tests.proxy.scripted import Scripted, scripted

CARD = {"hub": agent({"github": {"issues/get": {}}})}
DOOR = Door("github", "github", "api", unix=True)


def hub(upstream: str) -> dict[str, Any]:
    """
    Return GitHub's configuration.
    """
    return {"github": {"catalog": "github", "upstream": upstream, "credential": {"env": "STRIPE_SECRET"}}}


def configuration(folder: Path) -> Configuration:
    """
    Return a configuration with one door at a socket.
    """
    return configured(folder, {"apis": hub("https://api.github.com"), "doors": {"github": "unix:gh.sock"}})


def bound(folder: Path) -> Listener:
    """
    Take the addresses of that configuration and return the one that is a socket.
    """
    found = configuration(folder)
    listeners = sockets.bind(found, app.declared_doors(found))
    for listener in listeners:
        if not listener.path:
            listener.close()
    return next(listener for listener in listeners if listener.path)


def left_behind(path: Path) -> None:
    """
    Leave a socket's file as a process does that was killed.
    """
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def test_take(tmp_path: Path) -> None:
    """Nothing is there until it listens; then it is its owner's alone, and gone once it is closed."""
    listener, path = bound(tmp_path), tmp_path / "gh.sock"
    assert (listener.url, listener.address, path.exists()) == (f"unix:{path}", (str(path), 0), False)
    assert listener.door == DOOR
    listener.listen()
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
    listener.close()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["breakwater.yaml"]


def test_stale(tmp_path: Path) -> None:
    """Files that a killed process left, under either name, are replaced."""
    for name in ("gh.sock", "gh.sock~"):
        left_behind(tmp_path / name)
    listener = bound(tmp_path)
    listener.listen()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(tmp_path / "gh.sock"))
    listener.close()
    assert not (tmp_path / "gh.sock~").exists()


def listening(path: Path) -> None:
    """
    Have somebody listen there for as long as the test runs.
    """
    alive = socket.socket(socket.AF_UNIX)
    alive.bind(str(path))
    alive.listen()
    ALIVE.append(alive)


ALIVE: list[socket.socket] = []


@pytest.mark.parametrize(
    ("prepare", "error", "hint"),
    [
        (listening, "somebody listens there", "name another path"),
        (lambda path: path.write_text("kept"), "no socket is there", "nothing was removed"),
        (lambda path: path.symlink_to(path.with_name("elsewhere")), "no socket is there", "nothing was removed"),
        (lambda path: path.mkdir(), "no socket is there", "nothing was removed"),
    ],
    ids=["alive", "a file", "a link", "a folder"],
)
def test_in_the_way(prepare: Callable[[Path], object], error: str, hint: str, tmp_path: Path) -> None:
    """What is in the way is a start that is refused, whenever it came there, and stays as it is."""
    path = tmp_path / "gh.sock"
    early = bound(tmp_path)
    prepare(path)
    before = path.lstat().st_ino
    for attempt in (early.listen, lambda: bound(tmp_path)):
        with pytest.raises(StartRefused, match=f"door 'github' cannot have unix:{path}") as refused:
            attempt()
        assert error in refused.value.error
        assert hint in refused.value.hint
    assert path.lstat().st_ino == before
    early.close()
    while ALIVE:
        ALIVE.pop().close()


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is named, not made, and no port stays taken."""
    written = configured(tmp_path, {"apis": hub("https://api.github.com"), "doors": {"github": "unix:run/gh.sock"}})
    with pytest.raises(StartRefused, match="there is no such folder"):
        sockets.bind(written, app.declared_doors(written))
    assert not (tmp_path / "run").exists()


def test_not_ours(tmp_path: Path) -> None:
    """A file that another process has put there meanwhile is not removed."""
    listener, path = bound(tmp_path), tmp_path / "gh.sock"
    listener.listen()
    path.unlink()
    left_behind(path)
    listener.close()
    assert path.exists()


@pytest.mark.parametrize("prepare", [listening, lambda path: path.write_text("kept")], ids=["alive", "a file"])
def test_not_ours_either(prepare: Callable[[Path], object], tmp_path: Path) -> None:
    """What stands under the name that a socket is made under is not removed for it, unless a killed process left it."""
    listener, made = bound(tmp_path), tmp_path / "gh.sock~"
    prepare(made)
    before = made.lstat().st_ino
    with pytest.raises(StartRefused, match=f"door 'github' cannot have unix:{made}"):
        listener.listen()
    assert (made.lstat().st_ino, (tmp_path / "gh.sock").exists()) == (before, False)
    listener.close()
    while ALIVE:
        ALIVE.pop().close()


async def test_commands(tmp_path: Path) -> None:
    """A process whose every door is a socket says so in `run.json`, answers commands there, and leaves no file."""
    doors = {"github": "unix:gh.sock", "github.uploads": "unix:up.sock"}
    async with (
        scripted() as peer,
        road(
            tmp_path,
            peer.url,
            apis=hub(peer.url),
            agents=CARD,
            doors=doors,
            shared="unix:all.sock",
            admin="unix:ad.sock",
        ) as on,
    ):
        run = json.loads((on.state / "run.json").read_text())
        assert {name for name, url in run["doors"].items() if url.startswith("unix:/")} == {
            "admin", "shared", "github", "github.uploads",
        }  # fmt: skip
        token = (on.state / "admin.token").read_text().strip()
        running = Running(run["pid"], run["doors"], token)
        assert await asyncio.to_thread(running.ask, "GET", "/readyz") == (200, {"ready": True, "why": []})
        status = await asyncio.to_thread(running.insist, "GET", "/v1/status")
        assert status["doors"] == run["doors"]
        made = await asyncio.to_thread(running.insist, "POST", "/v1/keys", {"agent": "hub"})
        assert (await read(on, key=made["key"])) == 200
    assert {found.name for found in files(tmp_path)} == {"breakwater.yaml", "state"}
    with pytest.raises(StartRefused, match="does not answer"):
        await asyncio.to_thread(running.ask, "GET", "/readyz")


def files(folder: Path) -> list[Path]:
    """
    Return what is in a folder.
    """
    return list(folder.iterdir())


async def read(on: Road, door: str = "github", key: str = "") -> int:
    """
    Make a read and return its status.
    """
    shown = [("Authorization", f"Bearer {key or on.keys['hub']}")]
    return (await on.ask("GET", "/repos/acme/a/issues/1", door=door, headers=shown, key="")).status


async def test_upstream(tmp_path: Path) -> None:
    """An upstream that is a socket is dialled as written, and asked for the vendor's own host in plain HTTP."""
    peer = Scripted()
    server = await asyncio.start_unix_server(peer.serve, tmp_path / "up.sock")
    async with road(tmp_path, "http://127.0.0.1:9", apis=hub("unix:up.sock"), agents=CARD) as on:
        assert await read(on) == 200
    server.close()
    assert [asked.headers["host"] for asked in peer.asked] == ["api.github.com"]


async def test_own_door(tmp_path: Path) -> None:
    """A socket that is a door of ours is never dialled, by whatever path; another one is."""
    peer, own, other = Scripted(), tmp_path / "own.sock", tmp_path / "other.sock"
    servers = [await asyncio.start_unix_server(peer.serve, path) for path in (own, other)]
    (tmp_path / "link.sock").symlink_to(own)
    dialer = Dialer(lambda: [("127.0.0.1", 80), (str(own), 0)])
    for name in ("own.sock", "link.sock"):
        async with aiohttp.ClientSession(connector=dialer.socket_connector(str(tmp_path / name), idle_s=1)) as session:
            with pytest.raises((AddressRefused, aiohttp.ClientError), match="a door of this Breakwater"):
                await session.get("http://localhost/")
    assert peer.connections == 0
    async with aiohttp.ClientSession(connector=dialer.socket_connector(str(other), idle_s=1)) as session:
        assert (await session.get("http://localhost/")).status == 200
    for server in servers:
        server.close()


async def test_refused_is_unsent(tmp_path: Path) -> None:
    """A link that turned into a door after the start is refused at the dial, and its caller is told so."""
    async with road(
        tmp_path, "http://127.0.0.1:9", apis=hub("unix:link.sock"), agents=CARD, shared="unix:own.sock"
    ) as on:
        (tmp_path / "link.sock").symlink_to("own.sock")
        assert await read(on) == 503
        assert on.log.of("call")[-1]["dispatched"] == "no"
        assert len(on.log.of("call")) == 1
