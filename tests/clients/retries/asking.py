"""
Each vendor's SDK making one thing, with the retries that it ships with: only its pauses between them are cut short.

A pause is cut by the SDK's own setting for it, never by patching what it decides: which answers and which broken
connections it sends again for, and how often, is what these tests are about.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import requests
import stripe
from atlassian import Jira
from github import Auth, Github, GithubException
from githubkit import GitHub, TokenAuthStrategy
from githubkit.exception import GitHubException
from githubkit.retry import RETRY_DEFAULT, RetryOption
from jira import JIRA, JIRAError

USER = "bot@shop.test"

# Long enough to be a pause, short enough for a test.
PAUSE_S = 0.005


@dataclass(frozen=True, slots=True)
class Door:
    """
    Where an SDK is sent, with which key, and how long it waits for an answer.
    """

    base: str
    key: str
    patience_s: float = 20.0


@dataclass(frozen=True, slots=True)
class Told:
    """
    What an SDK ended with: the object's name as its API shows it, or everything that its error shows.
    """

    made: str | None
    error: str = ""


Ask = Callable[[Door, str], Told]
"""Make one thing of this name."""


# -------------------------------------------------------------------------------------------------------------- Stripe


@contextlib.contextmanager
def _quick(**settings: object) -> Iterator[None]:
    quick = {"INITIAL_DELAY": PAUSE_S, "MAX_DELAY": PAUSE_S}
    before = {name: getattr(stripe, name) for name in settings}
    delays = {name: getattr(stripe.HTTPClient, name) for name in quick}
    try:
        for name, value in settings.items():
            setattr(stripe, name, value)
        for name, value in quick.items():
            setattr(stripe.HTTPClient, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(stripe, name, value)
        for name, value in delays.items():
            setattr(stripe.HTTPClient, name, value)


def _stripe(make: Callable[[], Any]) -> Told:
    try:
        return Told(make().name)
    except stripe.StripeError as error:
        return Told(None, repr((type(error).__name__, error.http_status, error.user_message, error.json_body)))


def stripe_module(door: Door, name: str) -> Told:
    """
    Let the module make a customer; it retries twice.
    """
    http = stripe.RequestsClient(timeout=door.patience_s)
    with _quick(
        api_key=door.key,
        api_base=door.base,
        max_network_retries=2,
        default_http_client=http,
        enable_telemetry=False,
    ):
        try:
            return _stripe(lambda: stripe.Customer.create(name=name))
        finally:
            http.close()  # type: ignore[no-untyped-call]


def stripe_client(door: Door, name: str) -> Told:
    """
    Let a `StripeClient` make a customer; it does not retry unless told to.
    """
    http = stripe.RequestsClient(timeout=door.patience_s)
    with _quick(enable_telemetry=False):
        client = stripe.StripeClient(door.key, base_addresses={"api": door.base}, http_client=http)
        try:
            return _stripe(lambda: client.v1.customers.create({"name": name}))
        finally:
            http.close()  # type: ignore[no-untyped-call]


# -------------------------------------------------------------------------------------------------------------- GitHub


def pygithub(door: Door, name: str) -> Told:
    """
    Let PyGithub open an issue; it retries ten times, without a pause as it is shipped.
    """
    hub = Github(
        auth=Auth.Token(door.key),
        base_url=door.base,
        seconds_between_requests=0,
        seconds_between_writes=0,
        lazy=True,
    )
    # The constructor takes whole seconds only; what it hands them to does not mind.
    vars(hub.requester)["_Requester__timeout"] = door.patience_s
    with contextlib.closing(hub):
        try:
            return Told(hub.get_repo("ada/engine").create_issue(name).title)
        except GithubException as error:
            return Told(None, repr((error.status, error.data, error.message)))
        except requests.RequestException as error:
            return Told(None, repr(error))


def _without_pauses(error: GitHubException, count: int) -> RetryOption:
    decided = RETRY_DEFAULT(error, count)
    return RetryOption(decided.do_retry, timedelta(seconds=PAUSE_S))


def githubkit(door: Door, name: str) -> Told:
    """
    Let githubkit open an issue; it retries three times on a 5xx, never on a broken connection.
    """
    hub: Any = GitHub(
        TokenAuthStrategy(door.key), base_url=door.base, timeout=door.patience_s, auto_retry=_without_pauses
    )
    with hub:
        try:
            return Told(hub.rest.issues.create("ada", "engine", title=name).parsed_data.title)
        except GitHubException as error:
            response = getattr(error, "response", None)
            return Told(None, repr(error) + (response.text if response is not None else ""))


# ---------------------------------------------------------------------------------------------------------------- Jira


def _fields(name: str) -> dict[str, object]:
    return {"project": {"key": "SHOP"}, "summary": name, "issuetype": {"name": "Task"}}


def jira(door: Door, name: str) -> Told:
    """
    Let `jira` create an issue; it retries three times on a broken connection, a 429, and a 503 that says when.
    """
    try:
        site = JIRA(
            server=door.base,
            basic_auth=(USER, door.key),
            get_server_info=False,
            timeout=door.patience_s,
        )
        with contextlib.closing(site):
            site._session.max_retry_delay = PAUSE_S  # type: ignore[assignment] # the constructor does not pass it on
            return Told(site.create_issue(fields=_fields(name), prefetch=False).raw["key"])
    except JIRAError as error:
        return Told(None, repr((error.status_code, error.text, getattr(error.response, "text", ""))))
    except requests.RequestException as error:
        return Told(None, repr(error))


def atlassian(door: Door, name: str) -> Told:
    """
    Let atlassian-python-api create an issue; it retries where an answer says when.
    """
    with Jira(
        url=door.base,
        username=USER,
        password=door.key,
        cloud=True,
        max_backoff_seconds=PAUSE_S,  # type: ignore[arg-type] # handed on to sleep
    ) as site:
        # The constructor takes whole seconds only; what it hands them to does not mind.
        site.timeout = door.patience_s  # type: ignore[assignment]
        try:
            return Told(site.create_issue(_fields(name))["key"])
        except requests.RequestException as error:
            body = error.response.text if error.response is not None else ""
            return Told(None, repr(error) + body)


PYTHON: dict[str, tuple[str, Ask]] = {
    "stripe-python, the module": ("stripe", stripe_module),
    "stripe-python, StripeClient": ("stripe", stripe_client),
    "PyGithub": ("github", pygithub),
    "githubkit": ("github", githubkit),
    "jira": ("jira", jira),
    "atlassian-python-api": ("jira", atlassian),
}
"""By name, the API that it speaks and the call that it makes."""

NODE: dict[str, str] = {"stripe-node": "stripe", "octokit": "github", "octokit with plugin-retry": "github"}
"""Those in JavaScript, and the API that each speaks."""

MADE = {"stripe": "customer.created", "github": "issue.created", "jira": "issue.created"}
"""The effect of each API that is counted."""
