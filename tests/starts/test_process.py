"""The process from outside: when it says where it is, how it stops, what the next one finds."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.installation import ROOT, STOP_S, Breakwater, environment, stripe_api
from loadtest.upstreams.faults import Fault, HangUp
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli import main
from tests.harness import in_thread
from tests.starts.installed import CARD, LEDGER, SECRET, contents

_STEP_S = 0.01


@pytest.fixture(scope="module")
def sandbox() -> Iterator[StripeSandbox]:
    """
    Give an upstream on a thread of its own.
    """
    with in_thread(StripeSandbox(secret=SECRET)) as upstream:
        yield upstream


@pytest.fixture
def breakwater(tmp_path: Path, sandbox: StripeSandbox) -> Iterator[Breakwater]:
    """
    Give an installation that is not running.
    """
    sandbox.account.effects.clear()
    document = {"ledger": LEDGER, "apis": {"stripe": stripe_api(sandbox.url)}, "agents": {"support": CARD}}
    made = Breakwater(tmp_path, document, {"STRIPE_SECRET": SECRET})
    yield made
    sandbox.faults.clear()
    made.kill()


def fetch(url: str, key: str = "", form: bytes | None = None) -> tuple[int, Any]:
    """
    Make one call and return its status and its JSON.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, form, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=STOP_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


def writing(breakwater: Breakwater, key: str, sandbox: StripeSandbox) -> tuple[threading.Thread, list[Any]]:
    """
    Begin a write that the upstream keeps, on a thread of its own; what it is answered comes into the list.
    """
    sandbox.faults.add(Fault(held=True))
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(fetch(f"{breakwater.doors['stripe']}/v1/customers", key, b"name=a"))
        except OSError as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert sandbox.faults.holding.wait(STOP_S)
    return thread, answers


def tail(breakwater: Breakwater) -> list[dict[str, Any]]:
    """
    Return the newest records of the newest log.
    """
    return [row["entry"] for row in told(breakwater, "ledger", "tail", "-n", "100")]


def told(breakwater: Breakwater, *words: str) -> Any:
    """
    Return the JSON that a command prints, run in this process: what a command does alone is asked by other files.
    """
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*words, "--json", "--config", str(breakwater.config)]) == 0
    return json.loads(out.getvalue())


def test_life(breakwater: Breakwater) -> None:
    """`run.json` says where a ready process is and is gone after a clean stop; meanwhile a second is refused."""
    run = breakwater.state / "run.json"
    breakwater.start()
    assert breakwater.process is not None
    said = json.loads(run.read_text())
    assert said["pid"] == breakwater.process.pid
    assert set(said["doors"]) == {"admin", "stripe", "stripe.files", "stripe.meter_events"}
    assert said["started"].endswith("Z")
    assert fetch(f"{said['doors']['admin']}/readyz") == (200, {"ready": True, "why": []})
    assert fetch(f"{said['doors']['stripe']}/v1/customers")[0] == 401
    second = breakwater.cli("serve")
    assert second.code == 1
    assert second.err.startswith(f"error: another process uses the state folder {breakwater.state}\nhint: ")
    assert json.loads(run.read_text()) == said
    assert fetch(f"{said['doors']['admin']}/readyz")[0] == 200
    assert breakwater.terminate() == 0
    assert not run.exists()
    events = [json.loads(line)["event"] for line in breakwater.log.read_text().splitlines()]
    assert (events[0], events[-2:]) == ("ready", ["stopping", "stopped"])
    assert [entry["k"] for entry in tail(breakwater)][-1] == "log.closed"


def test_interrupt(breakwater: Breakwater) -> None:
    """SIGINT stops as cleanly as SIGTERM does, and the next start has nothing to recover."""
    for _ in range(2):
        breakwater.start()
        assert breakwater.process is not None
        breakwater.process.send_signal(signal.SIGINT)
        assert breakwater.process.wait(STOP_S) == 0
    kinds = [entry["k"] for entry in tail(breakwater)]
    assert kinds.count("log.closed") == 2
    assert "log.recovered" not in kinds


def test_drain(breakwater: Breakwater, sandbox: StripeSandbox) -> None:
    """SIGTERM fails readiness first, waits for the write under way, answers its caller, and records its end."""
    key = told(breakwater, "key", "mint", "support")["key"]
    breakwater.start()
    thread, answers = writing(breakwater, key, sandbox)
    assert breakwater.process is not None
    breakwater.process.send_signal(signal.SIGTERM)
    while (ready := fetch(f"{breakwater.doors['admin']}/readyz"))[0] == 200:
        time.sleep(_STEP_S)
    assert ready == (503, {"ready": False, "why": ["stopping"]})
    with pytest.raises(OSError):
        fetch(f"{breakwater.doors['stripe']}/v1/customers", key)
    assert breakwater.process.poll() is None
    sandbox.faults.release()
    assert breakwater.process.wait(STOP_S) == 0
    thread.join(STOP_S)
    assert answers[0][0] == 200
    ended = [entry for entry in tail(breakwater) if entry["k"] == "call.outcome"]
    assert [entry["eff"] for entry in ended] == ["applied"]
    assert sandbox.account.effects == {"customer.created": 1}


def test_killed(breakwater: Breakwater, sandbox: StripeSandbox) -> None:
    """After a kill `run.json` is stale and known to be, and the next process names the write that was left open."""
    key = told(breakwater, "key", "mint", "support")["key"]
    breakwater.start()
    thread, _ = writing(breakwater, key, sandbox)
    breakwater.kill()
    sandbox.faults.release()
    thread.join(STOP_S)
    stale = json.loads((breakwater.state / "run.json").read_text())
    for command in ("status", "healthcheck"):
        no = breakwater.cli(command)
        assert (no.code, no.out) == (1, "")
        assert no.err == "error: no Breakwater is running on this state folder\nhint: `breakwater serve` starts one\n"
    assert len(told(breakwater, "key", "list")) == 1
    # What became of it is found out at once, unless nobody answers.
    sandbox.faults.add(Fault(HangUp(), times=None))
    breakwater.start()
    assert json.loads((breakwater.state / "run.json").read_text())["pid"] != stale["pid"]
    state = breakwater.cli("status", "--json").json
    (doubt,) = state["in_doubt"]
    assert (doubt["agent"], doubt["operation"]) == ("support", "customers.create")
    lines = [json.loads(line) for line in breakwater.log.read_text().splitlines()]
    assert [line["intent"] for line in lines if line["event"] == "in-doubt"] == [doubt["intent"]]
    kinds = [entry["k"] for entry in tail(breakwater) if entry.get("call") == doubt["intent"]]
    assert kinds[:2] == ["call.intent", "recovery.opened"]
    assert set(kinds[2:]) <= {"recovery.probed"}
    sandbox.faults.clear()
    assert fetch(f"{breakwater.doors['stripe']}/v1/customers", key)[0] == 200


def test_new_epoch(breakwater: Breakwater) -> None:
    """`serve --new-epoch` goes on beside a damaged log: its first record names it, and its keys are void."""
    key = breakwater.mint("support")
    for _ in range(3):
        told(breakwater, "key", "mint", "support")
    path = next(breakwater.state.glob("ledger/000001/*.bwl"))
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(bytes(data))
    before = contents(breakwater.state / "ledger" / "000001")
    assert breakwater.cli("serve").code == 1
    breakwater.start("--new-epoch", "disk of node 3 was damaged, ticket 4711")
    first = tail(breakwater)[0]
    assert first["k"] == "log.opened"
    assert first["origin"] == "breakwater.invalid/local/0/2"
    assert first["prev"]["origin"] == "breakwater.invalid/local/0/1"
    assert first["prev"]["reason"] == "disk of node 3 was damaged, ticket 4711"
    assert first["prev"]["size"] > 0
    assert first["prev"]["lost_bytes"] > 0
    # A revocation may stand in what is lost.
    assert fetch(f"{breakwater.doors['stripe']}/v1/customers", key)[0] == 401
    fresh = breakwater.mint("support")
    assert fetch(f"{breakwater.doors['stripe']}/v1/customers", fresh)[0] == 200
    assert breakwater.terminate() == 0
    assert contents(breakwater.state / "ledger" / "000001") == before
    breakwater.start()
    assert fetch(f"{breakwater.doors['stripe']}/v1/customers", fresh)[0] == 200


def test_default_configuration(tmp_path: Path) -> None:
    """Without a word about its configuration the program looks for `breakwater.yaml` where it is run, and says so."""
    ended = subprocess.run(
        [sys.executable, "-m", "proxy", "serve"],
        env={**environment(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=STOP_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: breakwater.yaml: cannot be read: No such file or directory\nhint: ")
    assert list(tmp_path.iterdir()) == []
