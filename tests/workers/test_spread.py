"""The parent's table of routes, held against the operators' door itself, and what it makes of several answers."""

from __future__ import annotations

from pathlib import Path

from loadtest.upstreams.stripe import StripeSandbox
from proxy.clock import system_randomness
from proxy.control.api import admin_app
from proxy.control.merged import MERGED
from proxy.control.spread import SPREAD, Spread
from proxy.control.told import ordered
from tests.proxy.road import SECRET, road


async def test_every_route(tmp_path: Path) -> None:
    """Every route of the operators' door has a row, and every row is a route."""
    async with StripeSandbox(secret=SECRET) as upstream, road(tmp_path, upstream.url) as on:
        app = admin_app(on.rooms, on.program.doubts, "a" * 52, system_randomness, on.program.reloading)
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    # A process that read no files can read none again.
    assert routes | {("POST", "/v1/reload")} == set(SPREAD)


def test_merged_rows() -> None:
    """What is merged is what there is a function for."""
    assert {path for (_, path), spread in SPREAD.items() if spread is Spread.MERGED} <= set(MERGED)


def test_stops_together() -> None:
    """Of several orders of one stop the newest is told, with everything that did not work."""
    fine = {"epoch": 7, "mode": "stop-writes", "recorded": True, "shared": True, "confirmed": True, "why": None}
    late = {**fine, "epoch": 6, "recorded": False, "shared": False, "why": "the disk does not answer"}
    said = ordered([fine, late], [3])
    assert (said["epoch"], said["recorded"], said["shared"], said["confirmed"]) == (7, False, True, False)
    assert said["why"] == "the disk does not answer; worker 3 did not answer"
    assert ordered([fine, fine], []) == fine
