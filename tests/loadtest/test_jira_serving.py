from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from loadtest.installation import ROOT, environment
from loadtest.upstreams.jira import Fault, HangUp, JiraSandbox, Status
from tests.harness import in_thread
from tests.loadtest.jira_plain import BASIC, USER, send
from tests.loadtest.plain import SECRET, WAIT_S

NEW = {"fields": {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "Card declined"}}


@pytest.fixture
def jira() -> Iterator[JiraSandbox]:
    with in_thread(JiraSandbox(secret=SECRET, user=USER)) as upstream:
        yield upstream


def basic(user: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (BASIC, 200),
        (f"Bearer {SECRET}", 200),
        (None, 401),
        ("Bearer wrong", 401),
        (basic(USER, "wrong"), 401),
        (basic("other@shop.test", SECRET), 401),
        (basic(SECRET, ""), 401),
        ("Basic !", 401),
        (SECRET, 401),
    ],
)
def test_authenticated(jira: JiraSandbox, authorization: str | None, status: int) -> None:
    """The token gets in as a bearer's or with its own address, and nothing else does."""
    said = send(jira, "GET", "/rest/api/3/myself", authorization=authorization)
    assert (said.status, said.headers["Content-Type"]) == (status, "application/json;charset=UTF-8")
    assert said.body["emailAddress"] == USER if status == 200 else said.body["errors"] == {}


def test_credential_seen(jira: JiraSandbox) -> None:
    """The wiretap counts the tokens that were shown, and finds one in whatever form it came."""
    send(jira, "GET", "/rest/api/3/myself")
    send(jira, "GET", "/rest/api/3/myself", authorization="Bearer wrong")
    assert jira.wiretap.credentials == {SECRET: 1, "wrong": 1}
    assert jira.wiretap.contains(SECRET)


def test_own_address(jira: JiraSandbox) -> None:
    """Answers name the sandbox's own address unless told otherwise."""
    said = send(jira, "GET", "/rest/api/latest/serverInfo")
    assert (said.body["baseUrl"], said.body["deploymentType"]) == (jira.url, "Cloud")
    assert send(jira, "GET", "/rest/api/latest/project/SHOP").body["self"] == f"{jira.url}/rest/api/2/project/10000"


@pytest.mark.parametrize(
    ("act", "applied", "status", "made"),
    [
        (Status(409, "Conflicting transition."), False, 409, 0),
        (Status(503), True, 503, 1),
        (Status(429, retry_after_s=7), False, 429, 0),
    ],
)
def test_failing(jira: JiraSandbox, act: Status, applied: bool, status: int, made: int) -> None:
    """A failure on command is in Jira's shape, and strikes before or after the work as it was told."""
    jira.faults.add(Fault(act, applied=applied, method="POST", path="/rest/api/*/issue"))
    said = send(jira, "POST", "/rest/api/3/issue", NEW)
    assert (said.status, said.body) == (status, {"errorMessages": [act.message], "errors": {}})
    assert said.headers["Retry-After"] == ("7" if status == 429 else None)
    assert jira.effects["issue.created"] == made


def test_answer_lost(jira: JiraSandbox) -> None:
    """An answer that is lost after the work leaves an issue behind, and asking again makes a second."""
    jira.faults.add(Fault(HangUp(), applied=True))
    with pytest.raises((RemoteDisconnected, ConnectionError)):
        send(jira, "POST", "/rest/api/3/issue", NEW)
    assert send(jira, "POST", "/rest/api/3/issue", NEW).body["key"] == "SHOP-2"
    assert jira.effects == {"issue.created": 2}


def test_at_the_same_time(jira: JiraSandbox) -> None:
    """Of two transitions at the same time, the one whose issue has moved meanwhile is refused."""
    send(jira, "POST", "/rest/api/3/issue", NEW)
    path, body = "/rest/api/3/issue/SHOP-1/transitions", {"transition": {"id": "21"}}
    jira.faults.add(Fault(held=True, path="*/transitions"))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, jira, "POST", path, body)
        assert jira.faults.holding.wait(WAIT_S)
        assert send(jira, "POST", path, body).status == 204
        jira.faults.release()
        assert first.result().status == 400
    assert jira.effects["issue.transitioned"] == 1


def test_control(jira: JiraSandbox) -> None:
    """The control door adds a fault and shows effects by object, and is not in the record."""
    fault = {"act": {"status": 500}, "method": "GET"}
    assert send(jira, "POST", "/_sandbox/faults", fault, authorization=None).status == 200
    send(jira, "POST", "/rest/api/3/issue", NEW)
    assert send(jira, "GET", "/rest/api/3/issue/SHOP-1").status == 500
    shown = send(jira, "GET", "/_sandbox/effects", authorization=None).body
    assert shown == {"effects": {"issue.created": 1}, "by_object": {"SHOP-1": {"issue.created": 1}}}
    assert [seen.target for seen in jira.wiretap.requests] == ["/rest/api/3/issue", "/rest/api/3/issue/SHOP-1"]
    jira.reset()
    assert (jira.effects, send(jira, "GET", "/rest/api/3/issue/SHOP-1").status) == ({}, 404)


def test_process(tmp_path: Path) -> None:
    """As a process it prints its address, takes its token from the environment, and stops when told."""
    command = [sys.executable, "-m", "loadtest.upstreams.jira", "--base-url", "https://shop.atlassian.test"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment(tmp_path) | {"JIRA_TOKEN": SECRET}
    ) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        request = urllib.request.Request(f"{url}/rest/api/3/myself", headers={"Authorization": BASIC})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=WAIT_S) as answer:
            assert json.load(answer)["self"].startswith("https://shop.atlassian.test/rest/api/3/user")
        process.terminate()
        assert process.wait(WAIT_S) == 0
