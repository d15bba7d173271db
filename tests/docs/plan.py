"""
What becomes of each command on the pages: typed as it stands with its placeholders filled, or not, and why.

`FILLED` says what stands for a placeholder where `ALWAYS` would not do. `PERFORMED` are those that another test
performs, with its file and words that stand there; `NOT_RUN` those that nothing here can run, each with its reason. A
command that is in none of them is typed, and must exit 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.docs.pages import named, walk
from tests.docs.stand import Desk
from tests.tidy.source import ROOT

Fill = Callable[[Desk], Mapping[str, str]]

ALWAYS: Mapping[str, Callable[[Desk], str]] = {
    "AGENT": lambda _: "support_refund_agent",
    "CALL": Desk.call,
    "ID": Desk.suggestion,
    "INTENT": Desk.doubt,
    "TASK": Desk.task,
    "TOKEN": Desk.token,
    "$TOKEN": Desk.token,
    "WHY": lambda _: "OPS-7",
    "REASON": lambda _: "OPS-7",
    "TEXT": lambda _: "OPS-7",
    "…": lambda _: "OPS-7",
    "STATE": lambda desk: str(desk.state),
    "NAME": lambda _: "ada",
}


def _to_approve(desk: Desk) -> Mapping[str, str]:
    suggestion = desk.suggestion()
    return {"ID": suggestion, "DIGEST": desk.digest(suggestion)}


def _to_release(desk: Desk) -> Mapping[str, str]:
    key = "api:stripe/write"
    code, _, err = desk.types("breakers", "force", key, "suggest-only", "--reason", "OPS-7")
    assert code == 0, err
    return {"KEY": key}


def _to_resume(desk: Desk) -> Mapping[str, str]:
    desk.stop()
    return {}


def _to_put(desk: Desk) -> Mapping[str, str]:
    desk.sealed("stripe", there=False)
    return {"NAME": "stripe"}


def _to_rotate(desk: Desk) -> Mapping[str, str]:
    desk.sealed("stripe", there=True)
    return {"NAME": "stripe"}


def _known_key(desk: Desk) -> Mapping[str, str]:
    return {"KID": str(desk.process.insist("POST", "/v1/keys", {"agent": "clerk"})["kid"])}


def _own_token(desk: Desk) -> Mapping[str, str]:
    made = desk.process.insist("POST", "/v1/operators", {"operator": "grace"})
    return {"ID": str(made["id"])}


FILLED: Mapping[str, Fill] = {
    "breakwater breakers release KEY --reason WHY": _to_release,
    "breakwater catalog import - --name NAME": lambda _: {"NAME": "pets", "-": "openapi.yaml"},
    "breakwater catalog import FILE --name API": lambda _: {"FILE": "openapi.yaml", "API": "pets"},
    "breakwater catalog import FILE|-": lambda _: {"FILE|-": "openapi.yaml --name pets"},
    "breakwater catalog show API OPERATION": lambda _: {"API": "stripe", "OPERATION": "refunds.create"},
    "breakwater key revoke KID": _known_key,
    "breakwater ledger history API TYPE ID": lambda desk: {"API": "stripe", "TYPE": "customer", "ID": desk.customer()},
    "breakwater operator revoke ID": _own_token,
    "breakwater suggestions approve ID --digest DIGEST": _to_approve,
    "breakwater resume --break-glass --ttl 20m --reason …": _to_resume,
    'breakwater resume --reason "card corrected"': _to_resume,
    'breakwater resume --reason "refunds are right again, OPS-7"': _to_resume,
    'breakwater resume --reason "the record was damaged"': _to_resume,
    "breakwater resume --reason WHY": _to_resume,
    "breakwater task timeline AGENT/2026-11-21": lambda desk: {"AGENT/2026-11-21": desk.standing_task()},
    "breakwater vault put NAME": _to_put,
    "breakwater vault put stripe < key.txt": _to_put,
    "breakwater vault rotate NAME": _to_rotate,
    "kill -USR1 PID": lambda desk: {"PID": str(desk.process.pid)},
}

STOPS = ("breakwater kill", "breakwater resume", "echo stop-writes", "kill -USR1")
"""How commands begin that stop writes, or leave them half let go on: the next one finds nothing stopped."""

READS: Mapping[str, str] = {
    "breakwater vault put NAME": "another-upstream-secret",
    "breakwater vault rotate NAME": "a-newer-upstream-secret",
}
"""What is given on standard input, where no `<` says it."""

REFUSED: Mapping[str, tuple[str, str]] = {
    "breakwater drift reset AGENT --reason TEXT": ("1", "no alarm over this agent's calls stands"),
    "breakwater drift reset AGENT --reason WHY": ("1", "no alarm over this agent's calls stands"),
}
"""What is refused here for a reason that a page would give too: the exit code, and words of the refusal."""

RESTORE = ("tests/fleet/test_restore.py", "docs")
WORKERS = ("tests/workers/test_workers.py", "--workers")

PERFORMED: Mapping[str, tuple[str, str]] = {
    **{
        named(command): ("tests/docs/test_walk.py", "WALK") for command in walk((ROOT / "README.md").read_text("utf-8"))
    },
    ".venv/bin/python -m loadtest.upstreams.stripe --port 12111": ("tests/docs/test_walk.py", "--port 12111"),
    "breakwater --help": ("tests/test_readme.py", "test_help_block"),
    'breakwater doubt resolve 07A --applied --reason "it stands in the account, OPS-7"': RESTORE,
    'breakwater fleet forget 5d1f2a90c3b47e68 "its disk is lost, OPS-7"': RESTORE,
    "breakwater fleet forget ID REASON": RESTORE,
    "breakwater restart": ("tests/workers/test_one_worker.py", '"restart"'),
    "breakwater serve": ("tests/docs/stand.py", "_serve"),
    "breakwater serve --new-epoch REASON": ("tests/starts/test_process.py", "--new-epoch"),
    "breakwater serve --workers 4": WORKERS,
    'curl -s -H "Authorization: Bearer $BREAKWATER_KEY" http://127.0.0.1:8002/repos/acme/payroll': (
        "tests/docs/test_getting_started.py",
        "curl",
    ),
    "make demo": ("tests/loadtest/test_demo.py", "loadtest.demo"),
    "make load": ("tests/loadtest/test_load.py", "loadtest.__main__"),
    "python -m loadtest --list": ("tests/loadtest/test_load.py", '"--list"'),
    "python -m loadtest --scenario loadtest/example.yaml": ("tests/loadtest/test_load.py", "example.yaml"),
    "python -m loadtest compare old/result.json .load/result.json": ("tests/loadtest/test_load.py", '"compare"'),
    "python -m tests.sim 42": ("tests/sim/test_sim.py", "tests.sim"),
}

NOT_RUN: Mapping[str, str] = {
    "make test": "it is what runs this test",
    "make check": "it is the other half of what CI runs",
    "make cover": "it is the whole suite once more",
    "make load PEERS=1": "it takes ten minutes and fetches other proxies",
    "make load PROFILE=ci": "it takes four minutes; its parts are run in small",
    "python -m loadtest --only throughput --only latency": "it takes minutes; its parts are run in small",
    "make torture MINUTES=60": "it takes an hour",
    "make lock": "it writes the locks anew, from the package index",
    "make lock UPGRADE=--upgrade": "likewise",
    "CLIENTS_TABLE=write .venv/bin/python -m pytest -n 0 tests/clients": "it rewrites the page from the suite's run",
    "breakwater serve --workers N --new-epoch REASON --new-epoch-of K": "it takes a fleet with a damaged log in it",
    "kill --wait": "the changelog's short name of `breakwater kill --wait`",
    "pip install": "a word of it, in a sentence",
    "kill -9": "of the pid of a worker that hangs",
}

NEEDS: Mapping[str, str] = {
    "chronyc": "a clock that is kept by chrony",
    "docker": "a Docker engine",
    "iostat": "the package sysstat",
    "journalctl": "systemd",
    "kubectl": "a Kubernetes",
    "promtool": "a Prometheus",
    "sudo": "root",
    "systemctl": "systemd",
}
"""What commands of other programs need that no test has; tests/deploy holds their files against what they promise."""

TYPED_IN_SHELL = frozenset({"echo stop-writes > STATE/KILL", "kill -USR1 PID"})
"""What is no command of Breakwater's and is typed all the same: each is known to do no harm here."""
