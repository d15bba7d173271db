"""What was taken of every cap: over the admin door, in the metrics, and from the record where nothing runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli import main
from tests.proxy.road import SECRET, Road, road
from tests.proxy.spending import DAY, capped, quiet, read_one, write_one

CAPS = {"task": {"calls": 6, "writes": 2}, "month": {"calls": 100}}


@pytest.fixture
async def sandbox() -> AsyncIterator[StripeSandbox]:
    """
    Give an upstream.
    """
    async with StripeSandbox(secret=SECRET) as upstream:
        yield upstream


async def said(on: Road, query: str = "") -> list[dict[str, Any]]:
    """
    Return what the admin door says.
    """
    answer = await on.admin("GET", f"/v1/spend{query}")
    assert answer.status == 200
    rows: list[dict[str, Any]] = answer.json
    return rows


async def spent_some(on: Road) -> None:
    """
    Make two reads and a write.
    """
    for _ in range(2):
        assert (await read_one(on)).status == 200
    assert (await write_one(on)).status == 200
    await quiet(on)


async def test_totals(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """Each total says whose it is, over which time, and how it stands; one node can be asked for alone."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps=CAPS)) as on:
        assert await said(on) == []
        await spent_some(on)
        rows = await said(on)
        assert [
            (row["node"], row["period"], row["measure"], row["cap"], row["settled"], row["left"]) for row in rows
        ] == [
            ("agent:clerk", "2026-11", "calls", 100, 3, 97),
            (f"task:{DAY}", "life", "calls", 6, 3, 3),
            (f"task:{DAY}", "life", "writes", 2, 1, 1),
        ]
        assert rows[0]["resets_at"] == "2026-12-01T00:00:00+00:00"
        assert await said(on, "?node=agent:clerk") == rows[:1]
        assert await said(on, "?node=agent:nobody") == []


async def test_metrics(tmp_path: Path, sandbox: StripeSandbox) -> None:
    """The metrics show what agents have taken, and no task, of which there is no bound."""
    async with road(tmp_path, sandbox.url, **capped(sandbox.url, caps=CAPS)) as on:
        await spent_some(on)
        metrics = (await on.admin("GET", "/metrics")).body.decode()
        lines = [line for line in metrics.splitlines() if line.startswith("breakwater_spend{")]
    assert lines == [
        f'breakwater_spend{{measure="calls",node="agent:clerk",span="month",state="{state}"}} {value}'
        for state, value in (("settled", "3.0"), ("held", "0.0"), ("cap", "100.0"))
    ]


async def test_from_the_record(tmp_path: Path, sandbox: StripeSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing runs, the command says the same from the record."""
    parts = capped(sandbox.url, caps=CAPS)
    async with road(tmp_path, sandbox.url, **parts) as on:
        await spent_some(on)
        rows, state = await said(on), on.state
    disk = {"disk": {"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": 0}}
    written = {"state": str(state), "admin": "127.0.0.1:0", "ledger": disk, **parts}
    (tmp_path / "asked.yaml").write_text(json.dumps(written))
    for flags, wanted in (([], rows), (["--agent", "clerk"], rows[:1]), (["--team", "x"], [])):
        command = ["--config", str(tmp_path / "asked.yaml"), "spend", *flags, "--json"]
        # A command has a loop of its own.
        assert await asyncio.to_thread(main, command) == 0
        assert json.loads(capsys.readouterr().out) == wanted
