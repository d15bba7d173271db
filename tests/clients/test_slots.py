"""A task's token fits where each client takes an API key, as it is and narrowed, and is worth nothing once revoked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import stripe
from atlassian import Jira
from github import GithubException
from githubkit.exception import GitHubException
from jira import JIRA, JIRAError

from loadtest.installation import Breakwater, agent, stripe_api
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import last_records, ledger_in
from proxy.tokens import narrowed, read_token
from tests.canary.forms import secret
from tests.clients.github import with_githubkit, with_httpx, with_pygithub
from tests.clients.jira.conftest import USER
from tests.clients.nodejs import Process, running_script
from tests.clients.play import Target
from tests.clients.sdk import client_style, global_style
from tests.harness import in_thread, running

pytestmark = pytest.mark.slow

SECRET = secret("slots")

# Far longer than an entry waits on a busy machine; more than all calls of this file leave.
_SOON_S, _STEP_S, _RECORDS_MAX = 15.0, 0.01, 1_000


@dataclass(frozen=True, slots=True)
class Slots:
    """
    Breakwater in front of three APIs, a task, and its token by API.
    """

    breakwater: Breakwater
    upstreams: dict[str, Sandbox]
    node: Process
    task: str
    tokens: dict[str, str]
    seen: set[str] = field(default_factory=set)

    def at(self, api: str, token: str) -> Target:
        """
        Return where a client of an API is sent with a token.
        """
        return Target(self.breakwater.doors[api], token, self.upstreams[api], api)


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slots]:
    """
    Run three sandboxes and Breakwater in front of them, and open a task.
    """
    folder = tmp_path_factory.mktemp("slots")
    with ExitStack() as stack:
        upstreams: dict[str, Sandbox] = {
            "stripe": stack.enter_context(in_thread(StripeSandbox(secret=SECRET))),
            "github": stack.enter_context(in_thread(GithubSandbox(secret=SECRET))),
            "jira": stack.enter_context(in_thread(JiraSandbox(secret=SECRET, user=USER))),
        }
        account = {"credential": {"env": "STRIPE_SECRET"}}
        apis = {
            "stripe": stripe_api(upstreams["stripe"].url),
            "github": {**account, "catalog": "github", "upstream": upstreams["github"].url},
            "jira": {
                "catalog": "jira",
                "upstream": upstreams["jira"].url,
                "credential": {"env": "STRIPE_SECRET", "user": USER},
            },
        }
        card = agent({api: {"*": {}} for api in apis}, loops=False)
        document = {"apis": apis, "agents": {"worker": card}}
        installation, _ = stack.enter_context(running(folder / "bw", document, {"STRIPE_SECRET": SECRET}))
        node = stack.enter_context(running_script(folder / "node", "slots.mjs", "lines.mjs", "localhost.mjs"))
        shown = {"Authorization": f"Bearer {(installation.state / 'admin.token').read_text().strip()}"}
        admin = httpx.Client(base_url=installation.doors["admin"], headers=shown, trust_env=False)
        with admin:
            task = admin.post("/v1/tasks", json={"agent": "worker", "record": "ticket:7"}).json()["task"]
            made = {api: admin.post(f"/v1/tasks/{task}/tokens", json={"for": api}).json()["token"] for api in apis}
        yield Slots(installation, upstreams, node, task, made)


def stripe_global(on: Slots, token: str) -> object:
    """Ask with the SDK's global style."""
    with global_style(on.breakwater.doors["stripe"], on.breakwater.doors["stripe.files"], token) as sdk:
        return sdk.list("customers")


def stripe_client(on: Slots, token: str) -> object:
    """Ask with `StripeClient`."""
    with client_style(on.breakwater.doors["stripe"], on.breakwater.doors["stripe.files"], token) as sdk:
        return sdk.list("customers")


def stripe_basic(on: Slots, token: str) -> object:
    """Ask as curl does with `-u KEY:`."""
    return asked(on, "stripe", "/v1/customers", auth=(token, ""))


def in_javascript(api: str, client: str) -> Callable[[Slots, str], object]:
    """Return a call with a client for JavaScript."""

    def call(on: Slots, token: str) -> object:
        status = on.node.ask({"client": client, "base": on.breakwater.doors[api], "key": token})["status"]
        if status != 200:
            raise httpx.HTTPError(str(status))
        return status

    return call


def pygithub(on: Slots, token: str) -> object:
    """Ask with PyGithub."""
    with closing(with_pygithub.client(on.at("github", token))) as hub:
        return hub.get_user().login


def githubkit(on: Slots, token: str) -> object:
    """Ask with githubkit."""
    with with_githubkit.client(on.at("github", token)) as hub:
        return hub.rest.users.get_authenticated().status_code


def plain_httpx(on: Slots, token: str) -> object:
    """Ask with httpx and `Bearer`."""
    with with_httpx.client(on.at("github", token)) as hub:
        return hub.get("/user").raise_for_status().status_code


def git_basic(on: Slots, token: str) -> object:
    """Ask as git does: `x-access-token` is the user."""
    return asked(on, "github", "/user", auth=("x-access-token", token))


def jira_basic(on: Slots, token: str) -> object:
    """Ask with the library `jira`, an e-mail address beside the token."""
    with closing(JIRA(server=on.breakwater.doors["jira"], basic_auth=(USER, token), max_retries=0, timeout=10)) as site:
        return site.myself()


def jira_bearer(on: Slots, token: str) -> object:
    """Ask with the library `jira` and a personal access token's place."""
    with closing(JIRA(server=on.breakwater.doors["jira"], token_auth=token, max_retries=0, timeout=10)) as site:
        return site.myself()


def atlassian_basic(on: Slots, token: str) -> object:
    """Ask with atlassian-python-api, an e-mail address beside the token."""
    with closing(Jira(url=on.breakwater.doors["jira"], username=USER, password=token, cloud=True)) as site:
        return site.get("rest/api/2/myself")


def atlassian_bearer(on: Slots, token: str) -> object:
    """Ask with atlassian-python-api and a personal access token's place."""
    with closing(Jira(url=on.breakwater.doors["jira"], token=token)) as site:
        return site.get("rest/api/2/myself")


def asked(on: Slots, api: str, path: str, **more: Any) -> int:
    """Ask with httpx."""
    return httpx.get(on.breakwater.doors[api] + path, trust_env=False, **more).raise_for_status().status_code


CLIENTS: dict[str, tuple[str, Callable[[Slots, str], object]]] = {
    "stripe, global": ("stripe", stripe_global),
    "stripe, client": ("stripe", stripe_client),
    "stripe, Basic": ("stripe", stripe_basic),
    "stripe-node": ("stripe", in_javascript("stripe", "stripe")),
    "PyGithub": ("github", pygithub),
    "githubkit": ("github", githubkit),
    "octokit": ("github", in_javascript("github", "octokit")),
    "httpx": ("github", plain_httpx),
    "git": ("github", git_basic),
    "jira, Basic": ("jira", jira_basic),
    "jira, Bearer": ("jira", jira_bearer),
    "atlassian, Basic": ("jira", atlassian_basic),
    "atlassian, Bearer": ("jira", atlassian_bearer),
}

REFUSALS = (
    stripe.AuthenticationError,
    stripe.PermissionError,
    GithubException,
    httpx.HTTPError,
    JIRAError,
    GitHubException,
    requests.HTTPError,
)


@pytest.mark.parametrize("name", CLIENTS)
def test_slot(on: Slots, name: str) -> None:
    """A client works with a token in its key's place, and its calls are on record under the task and that token."""
    api, ask = CLIENTS[name]
    token = on.tokens[api]
    on.upstreams[api].wiretap.clear()
    assert ask(on, token) is not None
    assert ask(on, narrower(token, "m=GET")) is not None
    assert set(on.upstreams[api].wiretap.credentials) == {SECRET}
    assert not on.upstreams[api].wiretap.contains(token)
    written = read_token(token)
    assert written is not None
    # One client asks the server what it is before anything else.
    asked_for = len(on.upstreams[api].wiretap.requests)
    entries = on_record(on, asked_for)
    own, narrow = {"agent": "worker", "tok": written.id}, {"agent": "worker", "tok": written.id, "cav_n": 1}
    assert [entry["act"] for entry in entries] == [own] * (asked_for // 2) + [narrow] * (asked_for // 2) != []
    assert {(entry["task"], entry["prov"], entry["lab"]["rec"]) for entry in entries} == {(on.task, api, "ticket:7")}


@pytest.mark.parametrize("name", CLIENTS)
def test_slot_refused(on: Slots, name: str) -> None:
    """A token that was narrowed away from an API raises the client's own error, and nothing is sent."""
    api, ask = CLIENTS[name]
    on.upstreams[api].wiretap.clear()
    with pytest.raises(REFUSALS):
        ask(on, narrower(on.tokens[api], "p=elsewhere"))
    assert on.upstreams[api].wiretap.requests == []


def narrower(token: str, caveat: str) -> str:
    """
    Narrow a token as an agent does.
    """
    written = read_token(token)
    assert written is not None
    return narrowed(written, caveat).spelled()


def on_record(on: Slots, count: int) -> list[Mapping[str, Any]]:
    """
    Return the newest outcomes, once so many more than before are on record: a read's is written off the road.
    """
    until, state = time.monotonic() + _SOON_S, on.breakwater.state
    outcomes: list[Mapping[str, Any]] = []
    while time.monotonic() < until:
        found = last_records(RealDisk(), ledger_in(RealDisk(), state), _RECORDS_MAX)
        outcomes = [record.entry for record in found if record.kind == "call.outcome"]
        if len(outcomes) - len(on.seen) >= count:
            break
        time.sleep(_STEP_S)
    newest = [entry for entry in outcomes if entry["id"] not in on.seen]
    on.seen.update(entry["id"] for entry in newest)
    return newest


def test_prefix(on: Slots) -> None:
    """A token for Stripe begins as its toolkits ask, every other one as a token does."""
    begins = {api: token.partition("bw1_")[0] for api, token in on.tokens.items()}
    assert begins == {"stripe": "rk_", "github": "", "jira": ""}


def test_nowhere(on: Slots) -> None:
    """No file of the installation holds a token, nor does its log."""
    for token in on.tokens.values():
        secret_part = token.encode()[-50:]
        held: list[Path] = [path for path in on.breakwater.folder.rglob("*") if path.is_file()]
        assert not any(secret_part in path.read_bytes() for path in held)


def test_revoked(on: Slots) -> None:
    """A revoked token is refused to every client, and the other tokens of the task are not."""
    assert on.breakwater.cli("token", "revoke", on.tokens["github"]).code == 0
    for name in ("PyGithub", "octokit", "httpx"):
        with pytest.raises(REFUSALS):
            CLIENTS[name][1](on, on.tokens["github"])
    assert stripe_client(on, on.tokens["stripe"]) is not None
