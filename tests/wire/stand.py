"""
Breakwater in front of the socket upstream: every API that is bundled, one shared port, one agent with a narrow card.

What the card says is written down twice, on purpose: once as the configuration, once as `ALLOWED` and the two ranges
below it, from which the tests decide by themselves what may have reached the upstream.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from loadtest.installation import Breakwater, agent
from tests.canary.forms import secret
from tests.harness import running
from tests.wire.client import Address, address
from tests.wire.upstream import Echo, echoing

SECRET = secret("wire")
JIRA_USER = "operations@example.com"

# What the real credential looks like anywhere: as it is, and as Jira's Basic carries it.
SECRET_FORMS = (SECRET.encode(), base64.b64encode(f"{JIRA_USER}:{SECRET}".encode()))

# Every base of every bundled API.
BASES = ("stripe.api", "stripe.files", "stripe.meter_events", "github.api", "github.uploads", "jira.api")

ALLOWED: Mapping[str, tuple[str, ...]] = {
    "stripe": (
        "customers.*",
        "charges.retrieve",
        "payment_intents.create",
        "products.create",
        "files.*",
        "v2.core.accounts.*",
        "v2.billing.meter_events.create",
    ),
    "github": (
        "repos/get",
        "repos/get-content",
        "repos/compare-commits",
        "issues/create",
        "issues/get",
        "issues/list-for-repo",
        "issues/update",
        "search/code",
        "users/follow",
        "actions/create-hosted-runner-for-org",
    ),
    "jira": ("getIssue", "createIssue", "editIssue", "addComment", "addAttachment", "searchAndReconsileIssuesUsingJql"),
}
DENIED: Mapping[str, tuple[str, ...]] = {"stripe": ("customers.delete",), "github": ("issues/delete*",), "jira": ()}

# `payment_intents.create`, in cents of a dollar; `actions/create-hosted-runner-for-org`, as a number.
AMOUNT_RANGE = range(50, 10_001)
RUNNERS_RANGE = range(1, 51)
PRODUCT_NAMES = ("widget", "gadget")
REPOSITORIES = ("support", "docs")


def may_pass(api: str, names: Iterable[str]) -> bool:
    """
    Tell whether the card allows an operation by one of its names, and denies it by none.
    """

    def listed(patterns: tuple[str, ...]) -> bool:
        return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)

    return listed(ALLOWED[api]) and not listed(DENIED[api])


def _card() -> dict[str, object]:
    allow: dict[str, dict[str, object]] = {api: {name: {} for name in names} for api, names in ALLOWED.items()}
    # This agent says itself which repeats are meant, where money moves too.
    allow["stripe"]["payment_intents.create"] = {"limit": {"amount": "0.50..100 USD"}, "duplicates": "agent"}
    allow["stripe"]["products.create"] = {"only": {"name": list(PRODUCT_NAMES)}}
    for name in ALLOWED["github"]:
        if name.startswith("issues/"):
            allow["github"][name] = {"only": {"repo": list(REPOSITORIES)}}
    allow["github"]["actions/create-hosted-runner-for-org"] = {"limit": {"maximum_runners": "1..50"}}
    deny = {api: list(names) for api, names in DENIED.items() if names}
    # A campaign asks for the same thing in a thousand spellings, and hammers at what is refused.
    return agent(allow, deny=deny, headers={"Stripe-Account": ["acct_listed"]}, loops=False)


def _document(urls: Mapping[str, str], reads: str) -> dict[str, object]:
    secret = {"env": "WIRE_SECRET"}
    apis: dict[str, dict[str, object]] = {name: {"catalog": name, "credential": secret} for name in ALLOWED}
    for name, api in apis.items():
        api["upstream"] = {at.partition(".")[2]: url for at, url in urls.items() if at.partition(".")[0] == name}
    apis["jira"]["credential"] = {**secret, "user": JIRA_USER}
    return {"apis": apis, "agents": {"wire": _card()}, "shared": "127.0.0.1:0", "ledger": {"reads": reads}}


@dataclass(slots=True)
class Stand:
    """
    A running Breakwater, its upstream, one agent's key, and every answer that the agent has seen.
    """

    breakwater: Breakwater
    echo: Echo
    key: str
    seen: bytearray = field(default_factory=bytearray)

    def door(self, name: str) -> Address:
        """
        Return where a door listens.
        """
        return address(self.breakwater.doors[name])

    def filled(self, raw: bytes, door: str = "stripe") -> bytes:
        """
        Return a template's bytes with this door's address and this agent's key in their places.
        """
        host, port = self.door(door)
        for mark, text in (
            (b"@HOST@", f"{host}:{port}".encode()),
            (b"@KEY@", self.key.encode()),
            (b"@KEY64@", base64.b64encode(f"{self.key}:".encode())),
            (b"@64KEY@", base64.b64encode(f"someone@example.com:{self.key}".encode())),
            (b"@OTHER@", "{}:{}".format(*self.door("github" if door != "github" else "stripe")).encode()),
        ):
            raw = raw.replace(mark, text)
        return raw.replace(b"@LENGTH@", b"%d" % len(raw.partition(b"\r\n\r\n")[2]), 1)

    def log(self) -> bytes:
        """
        Return all that the process has logged.
        """
        return self.breakwater.log.read_bytes()


@contextlib.contextmanager
def standing(folder: Path, *, reads: str = "appended", more: Mapping[str, str] | None = None) -> Iterator[Stand]:
    """
    Start the upstream and Breakwater before it.
    """
    with echoing(BASES) as echo:
        secrets = {"WIRE_SECRET": SECRET, **(more or {})}
        with running(folder, _document(echo.urls, reads), secrets, ["wire"]) as (breakwater, keys):
            yield Stand(breakwater, echo, keys["wire"])
