"""
Where the script is played twice: two upstreams, and Breakwater in front of both.

Each time somebody works through Breakwater it is at an API account of its own, so that what was done a moment ago in
another test is no duplicate. The secret and the agent's key are canaries: `check` fails if an upstream was ever sent
the key, or if the agent or a log was ever shown the secret.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.installation import Breakwater, agent, stripe_api
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.wiretap import forms
from tests.canary.forms import secret
from tests.canary.plugin import watch
from tests.clients.sdk import Sdk, client_style, global_style
from tests.harness import Localstripe, in_thread, localstripe, running

# localstripe takes only keys that begin like a secret one.
SECRET = "sk_" + secret("stage")

STYLES: dict[str, Callable[..., AbstractContextManager[Any]]] = {"global": global_style, "client": client_style}
UPSTREAMS = ("sandbox", "localstripe")

# How often somebody works through Breakwater at each, in one file of tests.
ACCOUNTS = {"sandbox": 64, "localstripe": 4}

ALLOWED: dict[str, object] = {
    "customers.*": {},
    "payment_intents.*": {},
    "charges.*": {},
    "files.create": {},
    "prices.retrieve": {},
    "refunds.create": {"limit": {"amount": "0.50..100 USD"}},
    "refunds.list": {},
    "refunds.retrieve": {},
    "refunds.update": {},
    "v2.core.event_destinations.*": {},
}


@dataclass(frozen=True, slots=True)
class Stage:
    """
    Two upstreams and Breakwater, with one agent's key.
    """

    sandbox: StripeSandbox
    localstripe: Localstripe
    breakwater: Breakwater
    key: str
    used: Counter[str] = field(default_factory=Counter)

    def reset(self) -> None:
        """
        Make both upstreams forget what was done and seen.
        """
        self.sandbox.faults.clear()
        self.sandbox.reset()
        self.sandbox.wiretap.clear()
        self.localstripe.reset()

    @contextlib.contextmanager
    def direct(self, upstream: str, style: str) -> Iterator[Sdk]:
        """
        Give an SDK that talks to the upstream itself.
        """
        url = self.sandbox.url if upstream == "sandbox" else self.localstripe.url
        with STYLES[style](url, url, SECRET) as sdk:
            yield sdk

    @contextlib.contextmanager
    def proxied(self, upstream: str = "sandbox", style: str = "client", key: str | None = None) -> Iterator[Sdk]:
        """
        Give an SDK that talks to Breakwater's doors, and check the canaries when it is done.
        """
        doors, account = self.breakwater.doors, f"{upstream}-{self.used[upstream]}"
        self.used[upstream] += 1
        with STYLES[style](doors[account], doors[f"{account}.files"], key or self.key) as sdk:
            yield sdk
            self.check(sdk)

    def check(self, sdk: Sdk) -> None:
        """
        Fail if the key or the secret is where it must not be.
        """
        assert not self.sandbox.wiretap.contains(self.key), "the sandbox was sent the agent's key"
        assert set(self.sandbox.wiretap.credentials) <= {SECRET}, "the sandbox was shown another credential"
        seen = self.localstripe.seen.read_bytes()
        assert not holds(seen, self.key), "localstripe was sent the agent's key"
        assert not holds(bytes(sdk.http.received), SECRET), "the agent was shown the secret"
        log = self.breakwater.log.read_bytes()
        assert not holds(log, SECRET), "the log shows the secret"
        assert not holds(log, self.key), "the log shows the agent's key"


def holds(data: bytes, secret: str) -> bool:
    """
    Tell whether a secret stands in the data, plainly or in base64.
    """
    return any(form in data for form in forms(secret))


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """
    Start everything, and stop it.
    """
    with ExitStack() as stack:
        sandbox = stack.enter_context(in_thread(StripeSandbox(secret=SECRET)))
        local = stack.enter_context(localstripe(folder / "localstripe"))
        # An upstream is shown the secret: that is what it is for.
        watch.may_hold(local.seen)
        urls = {"sandbox": sandbox.url, "localstripe": local.url}
        apis = {f"{name}-{n}": stripe_api(urls[name]) for name, count in ACCOUNTS.items() for n in range(count)}
        document = {"apis": apis, "agents": {"shop_agent": agent(dict.fromkeys(apis, ALLOWED), loops=False)}}
        secrets = {"STRIPE_SECRET": SECRET}
        installation, keys = stack.enter_context(running(folder / "breakwater", document, secrets, ["shop_agent"]))
        yield Stage(sandbox, local, installation, keys["shop_agent"])


def floors() -> dict[str, int]:
    """
    Return the least number of leaves that each comparison must look at.
    """
    read: dict[str, int] = json.loads(Path(__file__).with_name("floors.json").read_text())
    return read
