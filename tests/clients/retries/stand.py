"""
Three sandboxes behind one Breakwater that does not wait long, and every SDK in front of it.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.installation import Breakwater, agent
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from tests.canary.forms import secret
from tests.clients.nodejs import Process, running_script
from tests.clients.retries.asking import MADE, NODE, PYTHON, USER, Ask, Door, Told
from tests.clients.upstreams import API, SITE, UPLOADS
from tests.harness import in_thread, running

SECRETS = {api: secret(f"retries-{api}") for api in MADE}

ALLOWED: Mapping[str, Mapping[str, object]] = {
    "stripe": {"customers.*": {}},
    "github": {"issues/*": {}},
    "jira": {"createIssue": {}, "getIssue": {}, "getProject": {}, "getServerInfo": {}},
}

# Every SDK and the API that it speaks.
APIS = {name: api for name, (api, _) in PYTHON.items()} | NODE

# Far less than any client waits, so that it is Breakwater that finds out.
TIMEOUTS = {"first_byte": "300ms", "idle": "300ms", "write_total": "600ms"}

# Room for doubts to be looked at more than once on a machine that does everything else at once.
RESOLVED_S = 15.0
_STEP_S = 0.05


def configured(urls: Mapping[str, str], *names: str) -> dict[str, object]:
    """
    Return an API account for each of these SDKs before its upstream, so that none uses up the retries of another.
    """
    upstreams: dict[str, object] = {
        "stripe": dict.fromkeys(("api", "files", "meter_events"), urls["stripe"]),
        "github": dict.fromkeys(("api", "uploads"), urls["github"]),
        "jira": urls["jira"],
    }
    users = {"jira": {"user": USER}}
    return {
        account(name): {
            "catalog": APIS[name],
            "credential": {"env": f"{APIS[name].upper()}_SECRET", **users.get(APIS[name], {})},
            "upstream": upstreams[APIS[name]],
        }
        for name in names
    }


def allowed(*names: str) -> dict[str, Mapping[str, object]]:
    """
    Return what the agent may do at the API accounts of these SDKs.
    """
    return {account(name): ALLOWED[APIS[name]] for name in names}


def account(name: str) -> str:
    """
    Return the API account of an SDK.
    """
    return "-".join(re.findall(r"[a-z]+", name.lower()))


def environ() -> dict[str, str]:
    """
    Return the real credentials as Breakwater is given them.
    """
    return {f"{api.upper()}_SECRET": value for api, value in SECRETS.items()}


def sandboxes(**more: Any) -> dict[str, Sandbox]:
    """
    Return a sandbox for each API, not yet listening.
    """
    return {
        "stripe": StripeSandbox(secret=SECRETS["stripe"], **more),
        "github": GithubSandbox(secret=SECRETS["github"], base_url=API, uploads_url=UPLOADS, **more),
        "jira": JiraSandbox(secret=SECRETS["jira"], user=USER, base_url=SITE, **more),
    }


@dataclass(frozen=True, slots=True)
class Client:
    """
    One SDK, wherever it runs: `ask` makes one thing.
    """

    name: str
    api: str
    ask: Ask


def clients(node: Process) -> dict[str, Client]:
    """
    Return every SDK by its name.
    """
    asks = {name: ask for name, (_, ask) in PYTHON.items()} | {name: _in_node(node, name) for name in NODE}
    return {name: Client(name, api, asks[name]) for name, api in APIS.items()}


def _in_node(node: Process, client: str) -> Ask:
    def ask(door: Door, name: str) -> Told:
        asked = {"client": client, "name": name, "base": door.base, "key": door.key, "patience_s": door.patience_s}
        return Told(**node.ask(asked))

    return ask


@dataclass(frozen=True, slots=True)
class Stand:
    """
    Breakwater before the sandboxes, with one agent's key.
    """

    breakwater: Breakwater
    upstreams: Mapping[str, Sandbox]
    clients: Mapping[str, Client]
    key: str
    shy: str

    def door(self, client: Client, patience_s: float = 20.0) -> Door:
        """
        Return where a client goes.
        """
        return Door(self.breakwater.doors[account(client.name)], self.key, patience_s)

    def parking(self, client: Client) -> Door:
        """
        Return where a client goes whose agent has each of its writes parked.
        """
        return Door(self.breakwater.doors[account(client.name)], self.shy)

    def effects(self, client: Client) -> int:
        """
        Return how many things a client's API has made.
        """
        return self.upstreams[client.api].effects[MADE[client.api]]

    def in_doubt(self) -> list[dict[str, Any]]:
        """
        Return what `status` calls in doubt.
        """
        token = (self.breakwater.state / "admin.token").read_text().strip()
        asked = urllib.request.Request(
            f"{self.breakwater.doors['admin']}/v1/status", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
            found: list[dict[str, Any]] = json.load(answer)["in_doubt"]
        return found

    def resolved(self) -> None:
        """
        Wait until nothing is in doubt any more.
        """
        until = time.monotonic() + RESOLVED_S
        while (left := self.in_doubt()) and time.monotonic() < until:
            time.sleep(_STEP_S)
        assert left == [], "a doubt did not resolve by itself"


@contextlib.contextmanager
def stand(folder: Path) -> Iterator[Stand]:
    """
    Start everything, and stop it.
    """
    with ExitStack() as stack:
        upstreams = {api: stack.enter_context(in_thread(made)) for api, made in sandboxes().items()}
        document: dict[str, object] = {
            "apis": configured({api: made.url for api, made in upstreams.items()}, *APIS),
            "agents": {
                "worker": agent(allowed(*APIS), loops=False),
                "shy": agent(allowed(*APIS), loops=False, tier="suggest"),
            },
            "operators": {"ada": {"roles": ["approver"]}},
            "timeouts": TIMEOUTS,
        }
        installation, keys = stack.enter_context(running(folder / "breakwater", document, environ(), ["worker", "shy"]))
        node = stack.enter_context(running_script(folder / "node", "retries.mjs", "lines.mjs"))
        yield Stand(installation, upstreams, clients(node), keys["worker"], keys["shy"])
