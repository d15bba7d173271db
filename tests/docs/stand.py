"""
Where the pages' commands are typed: a folder with the policy of support refunds in it, Breakwater and a sandbox.

The configuration is `deploy/policies/support-refunds` as it stands, but for where the API is, with two agents more: one
whose writes are parked, one that may do what leaves something to look at. What a command needs to be there (a call, a
task, a write in doubt) is made when the first one asks for it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from loadtest.installation import ROOT, agent
from loadtest.upstreams.faults import Fault, Status
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli.client import Running, find_running
from tests.canary.forms import secret
from tests.harness import in_thread
from tests.transcripts.shell import Shell, inside
from tests.unbroken import unbroken

POLICIES = ROOT / "deploy" / "policies"
SECRET = secret("docs")

# How full the disk is that a test happens to run on is not what these tests ask.
ROOMY: Mapping[str, object] = {"disk": {"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": 0}}

# What the two agents that the policy does not have may do, so that no rule goes without a case.
OTHERS: Mapping[str, object] = {
    "api": "stripe",
    "cases": [
        {"case": "a", "agent": "helper", "call": {"customers.create": {"name": "Ada"}}, "expect": "forward"},
        {"case": "b", "agent": "helper", "call": {"payment_intents.retrieve": {"intent": "pi_1"}}, "expect": "forward"},
        {
            "case": "c",
            "agent": "clerk",
            "call": {"payment_intents.create": {"amount": 100, "currency": "usd"}},
            "expect": "suggest-only",
        },
    ],
}

ANSWERS_S = 30.0
STEP_S = 0.02


def policy(name: str) -> dict[str, Any]:
    """
    Return an example policy as it stands.
    """
    read: dict[str, Any] = yaml.safe_load((POLICIES / name / "breakwater.yaml").read_text("utf-8"))
    return read


def elsewhere(document: dict[str, Any], upstreams: Mapping[str, str]) -> dict[str, Any]:
    """
    Return a policy whose APIs are elsewhere, on free ports: everything else stands as it is written.
    """
    bases = {"stripe": ("api", "files", "meter_events"), "github": ("api", "uploads"), "jira": ("api",)}
    apis = {
        name: {**api, "upstream": dict.fromkeys(bases[name], upstreams[name])} for name, api in document["apis"].items()
    }
    doors = dict.fromkeys(document["doors"], "127.0.0.1:0")
    return {**document, "apis": apis, "doors": doors, "ledger": ROOMY}


def soon(so: Callable[[], bool]) -> None:
    """
    Wait until something is so.
    """
    until = time.monotonic() + ANSWERS_S
    while not so():
        assert time.monotonic() < until
        time.sleep(STEP_S)


@dataclass
class Desk:
    """
    The folder in which commands are typed, with what they are about.
    """

    folder: Path
    sandbox: StripeSandbox
    shell: Shell
    kept: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def process(self) -> Running:
        """
        Return the running process as commands reach it.
        """
        found = find_running(self.state)
        assert found is not None
        return found

    @property
    def state(self) -> Path:
        """
        Return the state folder.
        """
        return self.folder / "breakwater-state"

    def types(self, *words: str, given: str = "", operator: bool = True) -> tuple[int, str, str]:
        """
        Run one command here, as the operator Ada unless told otherwise; return its exit code and what it printed.
        """
        environ = {"BREAKWATER_OPERATOR_TOKEN": self.operator()} if operator else {}
        return self.shell._run(list(words), given, environ)

    def operator(self) -> str:
        """
        Return Ada's own token.
        """
        if "ada" not in self.kept:
            self.kept["ada"] = str(self.process.insist("POST", "/v1/operators", {"operator": "ada"})["token"])
        return self.kept["ada"]

    def asks(self, method: str, path: str, who: str = "helper", **form: object) -> httpx.Response:
        """
        Make one call as an agent.
        """
        key = self._once(who, lambda: str(self.process.insist("POST", "/v1/keys", {"agent": who})["key"]))
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=self.process.doors["stripe"], headers=headers, timeout=ANSWERS_S) as http:
            sent = {"params": form} if method == "GET" else {"data": form}
            return http.request(method, path, **sent)  # type: ignore[arg-type]

    def call(self) -> str:
        """
        Return the id of a write that was made, and that somebody is to look at.
        """
        made = self._once("call", lambda: self._made().headers["Breakwater-Call"])
        # That somebody is to look at it is on record a moment after its answer.
        soon(lambda: self.types("reviews", "show", made)[0] == 0)
        return made

    def customer(self) -> str:
        """
        Return the id of an object that has been written.
        """
        made = self._once("customer", lambda: str(self._made().json()["id"]))
        # What a write changed is on record a moment after its answer.
        soon(lambda: self.types("ledger", "history", "stripe", "customer", made)[0] == 0)
        return made

    def _made(self) -> httpx.Response:
        return self.asks("POST", "/v1/customers", email=f"{next(self.numbers)}@shop.test").raise_for_status()

    def suggestion(self) -> str:
        """
        Return the id of a write that is parked, another one each time.
        """
        parked = self.asks("POST", "/v1/payment_intents", "clerk", amount=1000 + next(self.numbers), currency="usd")
        assert parked.status_code == 403, parked.text
        return parked.headers["Breakwater-Suggestion"]

    def digest(self, suggestion: str) -> str:
        """
        Return the digest under which a suggestion is approved.
        """
        code, out, err = self.types("suggestions", "show", suggestion)
        assert code == 0, err
        found = re.search(r"--digest (\w+)", out)
        assert found is not None, out
        return found[1]

    def doubt(self) -> str:
        """
        Return the id of a write of which nobody knows how it ended, another one each time.
        """
        self.sandbox.faults.add(Fault(act=Status(500, stored=True), path="/v1/payment_intents", method="POST", times=1))
        lost = self.asks("POST", "/v1/payment_intents", amount=1000 + next(self.numbers), currency="usd")
        assert lost.headers["Breakwater-Outcome"] == "unknown", lost.text
        return lost.headers["Breakwater-Intent"]

    def task(self) -> str:
        """
        Return the id of an open task, another one each time.
        """
        return str(self._opened()["task"])

    def standing_task(self) -> str:
        """
        Return the id of the task of the day under which calls were made.
        """
        made = self.call()
        # A read or a write may be on record a moment after its answer.
        soon(lambda: self.types("ledger", "show", made)[0] == 0)
        # Of the day of that call, which may be yesterday by now.
        found = re.search(r"^  task +(\S+)$", self.types("ledger", "show", made)[1], re.MULTILINE)
        assert found is not None
        return found[1]

    def token(self) -> str:
        """
        Return the token of an open task, another one each time.
        """
        return str(self._opened()["token"])

    def _opened(self) -> Mapping[str, Any]:
        opened: Mapping[str, Any] = self.process.insist("POST", "/v1/tasks", {"agent": "support_refund_agent"})
        return opened

    def sealed(self, name: str, *, there: bool) -> None:
        """
        Have the vault hold a name, or not.
        """
        self.types("vault", "remove", name)
        if there:
            code, _, err = self.types("vault", "put", name, given="an-upstream-secret")
            assert code == 0, err

    def stop(self) -> None:
        """
        Stop all writes.
        """
        code, _, err = self.types("kill", "--reason", "OPS-7")
        assert code == 0, err

    def let_go_on(self) -> None:
        """
        Wait for the stop that was ordered, and lift it whole.
        """
        soon(lambda: self._stopped()["mode"] != "run")
        (self.state / "KILL").unlink(missing_ok=True)
        soon(lambda: self._stopped()["file"] is None)
        code, _, err = self.types("resume", "--reason", "OPS-7", "--full")
        assert code == 0, err

    def _stopped(self) -> Mapping[str, Any]:
        shown: Mapping[str, Any] = self.process.insist("GET", "/v1/status")["kill"]
        return shown

    def _once(self, name: str, make: Any) -> str:
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]


@contextlib.contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """
    Run everything, and work in its folder.
    """
    with in_thread(StripeSandbox(secret=SECRET)) as sandbox, inside(folder):
        document = elsewhere(policy("support-refunds"), {"stripe": sandbox.url})
        document["agents"] |= {
            "helper": agent({"stripe": {"customers.*": {}, "payment_intents.*": {}}}, review="100%", loops=False),
            "clerk": agent({"stripe": {"payment_intents.*": {}}}, tier="suggest", loops=False),
        }
        document["operators"]["ada"] = {"roles": ["approver", "finance", "resume", "break-glass", "admin"]}
        written = {"admin": "127.0.0.1:0", **unbroken(document)}
        (folder / "breakwater.yaml").write_text(json.dumps(written), "utf-8")
        shutil.copytree(POLICIES / "support-refunds" / "policy-tests", folder / "policy-tests")
        (folder / "policy-tests" / "others.yaml").write_text(json.dumps(OTHERS), "utf-8")
        shell = Shell(folder, {"STRIPE_SECRET_KEY": SECRET})
        try:
            assert shell._serve(["serve"]) == 0
            yield Desk(folder, sandbox, shell)
        finally:
            shell._stop(signal.SIGTERM)
