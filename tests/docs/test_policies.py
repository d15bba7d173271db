"""The example policies do at real doors what their cases say of them: a few calls through each, at the sandboxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from loadtest.demo.shop import sell
from tests.docs.stand import ANSWERS_S, POLICIES, SECRET

if TYPE_CHECKING:
    from tests.docs.conftest import Street

FOLDERS = sorted(folder.name for folder in POLICIES.iterdir() if folder.is_dir())
README = (POLICIES / "README.md").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Agent:
    """
    One agent at one door, under a task of its own.
    """

    door: str
    token: str

    def asks(self, method: str, path: str, **sent: Any) -> str:
        """
        Make a call, and return how it was decided; fail where it passed and did not come to anything.
        """
        headers = {"Authorization": f"Bearer {self.token}", **sent.pop("headers", {})}
        with httpx.Client(base_url=self.door, headers=headers, timeout=ANSWERS_S) as http:
            answer = http.request(method, path, **sent)
        decided = answer.headers["Breakwater-Decision"].rpartition(":")[2]
        assert decided != "allowed" or answer.is_success, answer.text
        return decided


def agent(street: Street, name: str, door: str) -> Agent:
    """
    Open a task for an agent.
    """
    return Agent(street.breakwater.doors[door], street.task(name))


@pytest.mark.parametrize("name", FOLDERS)
def test_commands(name: str) -> None:
    """Each policy is checked and tested, to its last rule, by the commands that the page beside it shows."""
    here = f"breakwater --config deploy/policies/{name}"
    assert f"    {here} check\n" in README
    assert f"    {here} test deploy/policies/{name}/policy-tests --every-rule\n" in README
    assert f"[{name}]({name}/breakwater.yaml)" in README


def test_support_refunds(street: Street) -> None:
    """A refund passes once, a larger one waits, and one that is too large or under no key is refused."""
    stripe = street.upstreams["stripe"]
    sold = sell(stripe.url, SECRET)
    made = stripe.effects["refund.created"]
    refunder = agent(street, "support_refund_agent", "stripe")

    def refund(cents: int, key: str | None = None, **more: object) -> str:
        form = {"charge": sold.charge, "amount": cents, "reason": "duplicate", **more}
        headers = {"Idempotency-Key": key} if key else {}
        return refunder.asks("POST", "/v1/refunds", data=form, headers=headers)

    assert refunder.asks("GET", f"/v1/charges/{sold.charge}") == "allowed"
    assert refund(2500, "ticket-1") == "allowed"
    assert refund(2500, "ticket-1") == "replayed"
    assert refund(2500, "ticket-2") == "approval-pending"
    assert refund(5001, "ticket-3") == "approval-pending"
    assert refund(10001, "ticket-4") == "limit-exceeded"
    assert refund(500) == "idempotency-key-missing"
    assert refund(500, "ticket-5", reason="fraudulent") == "not-allowed"
    assert stripe.effects["refund.created"] == made + 1
    assert refunder.asks("POST", "/v1/transfers", data={"amount": 100, "currency": "usd"}) == "not-allowed"


def test_issue_triage(street: Street) -> None:
    """An issue is labelled, assigned and answered; what its text may talk the agent into is refused."""
    github, jira = street.upstreams["github"], street.upstreams["jira"]
    issue = httpx.post(
        f"{github.url}/repos/acme/support/issues",
        json={"title": "The parcel never came"},
        headers={"Authorization": f"token {SECRET}", "User-Agent": "customer"},
    ).raise_for_status()
    here = f"/repos/acme/support/issues/{issue.json()['number']}"
    triage = agent(street, "triage_agent", "github")
    assert triage.asks("GET", here) == "allowed"
    assert triage.asks("POST", f"{here}/labels", json={"labels": ["bug"]}) == "allowed"
    assert triage.asks("POST", f"{here}/labels", json={"labels": ["security"]}) == "condition-refused"
    assert triage.asks("POST", f"{here}/labels", json=["security"]) == "argument-undeclared"
    assert triage.asks("POST", f"{here}/assignees", json={"assignees": ["ada"]}) == "allowed"
    assert triage.asks("POST", f"{here}/assignees", json={"assignees": ["eve"]}) == "condition-refused"
    assert triage.asks("POST", f"{here}/comments", json={"body": "Which version do you use?"}) == "allowed"
    assert triage.asks("POST", f"{here}/comments", json={"body": "@acme/everyone look"}) == "condition-refused"
    assert triage.asks("GET", "/repos/acme/engine") == "not-allowed"
    tickets = agent(street, "triage_agent", "jira")
    fields = {"project": {"key": "SUP"}, "issuetype": {"name": "Bug"}, "summary": "The parcel never came"}
    assert tickets.asks("POST", "/rest/api/3/issue", json={"fields": fields}) == "allowed"
    elsewhere = {**fields, "project": {"key": "FIN"}}
    assert tickets.asks("POST", "/rest/api/3/issue", json={"fields": elsewhere}) == "condition-refused"
    assert jira.effects["issue.created"] == 1


def test_release_automation(street: Street) -> None:
    """A tag at the top of main, a draft and its build pass; publishing waits for a person."""
    github = street.upstreams["github"]
    bot = agent(street, "release_bot", "github")
    here = "/repos/acme/engine"
    with httpx.Client(base_url=github.url, headers={"Authorization": f"token {SECRET}", "User-Agent": "ci"}) as direct:
        top = direct.get(f"{here}/branches/main").json()["commit"]["sha"]
        assert bot.asks("GET", f"{here}/branches/main") == "allowed"
        assert bot.asks("POST", f"{here}/git/refs", json={"ref": "refs/tags/v1.4.0", "sha": top}) == "allowed"
        assert bot.asks("POST", f"{here}/git/refs", json={"ref": "refs/heads/x", "sha": top}) == "condition-refused"
        draft = {"tag_name": "v1.4.0", "draft": True}
        assert bot.asks("POST", f"{here}/releases", json=draft) == "allowed"
        assert bot.asks("POST", f"{here}/releases", json={**draft, "draft": False}) == "not-allowed"
        (release,) = direct.get(f"{here}/releases").json()
        out = direct.post(f"{here}/releases", json={"tag_name": "v1.3.0"}).json()
    uploader = Agent(street.breakwater.doors["github.uploads"], bot.token)

    def upload(to: int) -> str:
        path, sent = f"{here}/releases/{to}/assets", {"params": {"name": "engine.txt"}, "content": b"engine"}
        return uploader.asks("POST", path, headers={"Content-Type": "text/plain"}, **sent)

    assert upload(release["id"]) == "allowed"
    assert upload(out["id"]) == "condition-refused"
    build = f"{here}/actions/workflows/ci.yml/dispatches"
    assert bot.asks("POST", build, json={"ref": "main"}) == "allowed"
    assert bot.asks("POST", build, json={"ref": "topic"}) == "not-allowed"
    publish = bot.asks("PATCH", f"{here}/releases/{release['id']}", json={"draft": False})
    assert publish == "approval-pending"
    assert bot.asks("DELETE", f"{here}/releases/{release['id']}") == "not-allowed"
    assert github.effects["workflow.dispatched"] == 1
