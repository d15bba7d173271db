"""Large installations beside a small one: what of their long ledgers is read, and that everybody counts the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from config.load import load
from loadtest import roads
from loadtest.bench import CREDENTIAL, CREDENTIAL_ENV
from loadtest.filling import fill
from loadtest.installation import Breakwater, agent, stripe_api
from loadtest.jobs import Done
from loadtest.roads import Roads
from loadtest.scenario import CREATE, READ
from loadtest.scenarios import flat
from loadtest.scene import entries, size
from proxy.ledger.disk import RealDisk
from tests.loadtest.test_load import PAST, ran
from tests.loadtest.tiny import failed

NOBODY: Any = None


def long(folder: Path, records: int = 600) -> Breakwater:
    """
    Give an installation a past of so many records, in more than one segment.
    """
    made = Breakwater(folder / "site", {"apis": {"stripe": stripe_api("http://127.0.0.1:9")}, "agents": {}}, {})
    fill(made, json.loads(PAST.read_text()), records=records)
    return made


def test_flat_figures() -> None:
    """Of reads and writes the one whose cost grew more says how flat an installation is."""
    small = {("small", READ): 100.0, ("small", CREATE): 400.0}
    worked = [{**small, ("all", READ): 105.0, ("all", CREATE): us} for us in (500.0, 400.0, 800.0)]
    assert flat.figures(worked, ("small", "all"))["all.of_small"].value == pytest.approx(0.8)


def test_many_agents(tmp_path: Path) -> None:
    """An installation of more agents than a file of a configuration takes has a folder of files, and starts from it."""
    agents = {f"agent_{number:05d}": agent({}) for number in range(10_000)}
    given = {CREDENTIAL_ENV: CREDENTIAL}
    made = Breakwater(tmp_path, {"apis": {"stripe": stripe_api("http://127.0.0.1:9")}, "agents": agents}, given)
    assert made.config.is_dir()
    assert set(load(made.config).agents) == set(agents)
    assert made.cli("check").code == 0


def test_since(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an index on a ledger has the entries that it has from there, and segments before it are not read."""
    state, read = long(tmp_path).state, list[Path]()
    whole, had = list(entries(state)), size(state)
    assert [index for index, _ in whole] == list(range(had))
    for since in (0, 1, had // 2, had - 1, had):
        assert list(entries(state, since)) == whole[since:]
    of_disk = RealDisk.read

    def noted(self: RealDisk, path: Path) -> bytes:
        read.append(path)
        return of_disk(self, path)

    monkeypatch.setattr(RealDisk, "read", noted)
    assert len(list(entries(state, had - 1))) == 1
    assert len(read) == 1
    list(entries(state))
    assert len(read) > 2


@pytest.mark.slow
@pytest.mark.parametrize("verified_max", [10**6, 0])
def test_past_apart(verified_max: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stood on a record before anybody called is none of a road's calls, and only a short one is verified."""
    monkeypatch.setattr(roads, "VERIFIED_MAX", verified_max)
    breakwater = long(tmp_path)
    calling = Roads(NOBODY, NOBODY, [])
    had = size(breakwater.state)
    checks = {check.name: check.held for check in calling.recorded(breakwater, "long", since=had)}
    verified = {"verified-long": True} if verified_max else {}
    assert checks == {"stopped-long": True, **verified, "recorded-long": True}
    wrong = [check.found for check in calling.recorded(breakwater, "long", since=had // 2) if not check.held]
    assert len(wrong) == 1
    assert "creates: 0 answered, and the ledger has" in wrong[0]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_forgotten_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write on record that no caller was told of fails the large installation that has it, and no other."""
    end, forgotten = Roads.end, list[str]()

    def forgetful(self: Roads, road: str, kind: str, before: Mapping[str, int]) -> Done:
        done = end(self, road, kind, before)
        if (road, kind) == (flat.ALL, CREATE):
            forgotten.append(self.said[road, kind].calls.pop())
        return done

    monkeypatch.setattr(Roads, "end", forgetful)
    (result,) = ran(flat.SCENARIO).results
    wrong = failed(result)
    assert wrong.keys() == {f"recorded-{flat.ALL}"}
    (found,) = wrong.values()
    ((answered, on_record),) = re.findall(r"(\d+) answered, and the ledger has (\d+) intents", found)
    assert int(on_record) - int(answered) == len(forgotten) > 0
    named = {check.name for check in result.checks}
    assert named >= {
        f"{what}-{name}" for what in ("stopped", "verified", "recorded") for name in (flat.SMALL, flat.ALL)
    }
