from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import stripe

from config.load import load
from loadtest.installation import Breakwater, agent, environment
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from tests.canary.forms import secret
from tests.clients.nodejs import NODE, laid_out
from tests.clients.record import Ledger
from tests.clients.snippets import Snippet, snippets
from tests.clients.table import ROWS, written
from tests.clients.upstreams import API, UPLOADS, NumberedJira
from tests.clients.ways import STYLES, SYSTEM, UNIX, way
from tests.harness import in_thread, running

SECRET = secret("page")
USER = "bot@shop.test"
APIS = ("stripe", "github", "jira")
# A script that waits for more than this waits for an answer that does not come.
NODE_S = 30.0

SNIPPETS = list(snippets())
RUNNING = [(each, by) for each in SNIPPETS for by in each.ways]


def named(language: str) -> list[object]:
    return [pytest.param(*pair, id=f"{pair[0].name}-{pair[1]}") for pair in RUNNING if pair[0].language == language]


@dataclass(frozen=True, slots=True)
class Street:
    """
    The three sandboxes with Breakwater in front of them, as the page's reader has the three vendors.
    """

    breakwater: Breakwater
    key: str
    upstreams: Mapping[str, Sandbox]
    ledger: Ledger

    def environment(self, by: str, number: int = 0) -> dict[str, str]:
        """
        Return the variables that the page's examples read; each example has accounts of its own.
        """
        doors = {"STRIPE_FILES": account("stripe", number) + ".files"}
        doors |= {name.upper(): account(name, number) for name in APIS}
        told = {f"BREAKWATER_{name}": way(self.breakwater, door, by) for name, door in doors.items()}
        return told | {"BREAKWATER_KEY": self.key, "BREAKWATER_SOCKET": f"{self.breakwater.folder}/github.sock"}

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """
        Fail unless what happens meanwhile reaches one API, through Breakwater, with the real credential and no other.
        """
        self.ledger.skip()
        for each in self.upstreams.values():
            each.reset()
            each.wiretap.clear()
        yield
        (reached,) = [each for each in self.upstreams.values() if each.wiretap.requests]
        self.ledger.proven(reached.wiretap.requests)
        assert set(reached.wiretap.credentials) == {SECRET}
        assert not reached.wiretap.contains(self.key)


def account(name: str, number: int) -> str:
    """The first of an API's accounts has the page's own name."""
    return f"{name}-{number}" if number else name


@contextlib.contextmanager
def street(folder: Path, accounts: int = 1, **settings: object) -> Iterator[Street]:
    with ExitStack() as stack:
        upstreams: dict[str, Sandbox] = {
            "stripe": stack.enter_context(in_thread(StripeSandbox(secret=SECRET))),
            "github": stack.enter_context(in_thread(GithubSandbox(secret=SECRET, base_url=API, uploads_url=UPLOADS))),
            "jira": stack.enter_context(in_thread(NumberedJira(secret=SECRET, user=USER))),
        }
        users = {"jira": {"user": USER}}
        apis = {
            account(name, number): {
                "catalog": name,
                "upstream": upstreams[name].url,
                "credential": {"env": "REAL", **users.get(name, {})},
            }
            for name in APIS
            for number in range(accounts)
        }
        card = agent({name: {"*": {}} for name in apis}, loops=False)
        document = {"shared": "127.0.0.1:0", "apis": apis, "agents": {"reader": card}, **settings}
        made, keys = stack.enter_context(running(folder, document, {"REAL": SECRET}, ["reader"]))
        yield Street(made, keys["reader"], upstreams, Ledger(made.state))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """
    Run the street for all examples but those that go through a socket.
    """
    with street(tmp_path_factory.mktemp("street"), 1 + len(RUNNING)) as made:
        yield made


def execute(snippet: Snippet, variables: Mapping[str, str], patch: pytest.MonkeyPatch) -> None:
    """
    Run an example in this process, and put back what it sets there; a client's pauses take no time.
    """
    for name in ("api_key", "api_base", "connect_api_base", "meter_events_api_base", "upload_api_base"):
        patch.setattr(stripe, name, getattr(stripe, name))
    patch.setattr(stripe, "default_http_client", None)
    patch.setattr(time, "sleep", lambda _: None)
    for name, value in variables.items():
        patch.setenv(name, value)
    exec(compile(snippet.code, f"docs/CLIENTS.md, {snippet.name}", "exec"), {"__name__": "__main__"})


def test_every_fence_is_known() -> None:
    """Whatever stands in a fence is YAML, or a program for a kind of door that there is."""
    assert {each.language for each in SNIPPETS} == {"yaml", "python", "js"}
    assert [each.name for each in SNIPPETS if each.language != "yaml" and not each.ways] == []
    assert {by for _, by in RUNNING} == {*STYLES, UNIX}


def test_rows() -> None:
    """The page's table has a row for each client and upstream, and no other."""
    assert tuple(written()) == ROWS


@pytest.mark.parametrize("snippet", [each for each in SNIPPETS if each.language == "yaml"], ids=lambda each: each.name)
def test_configuration(snippet: Snippet, tmp_path: Path) -> None:
    """A configuration that the page shows is one that the program accepts."""
    file = tmp_path / "breakwater.yaml"
    file.write_text(snippet.code, "utf-8")
    assert set(load(file).apis) == set(APIS)


@pytest.mark.slow
@pytest.mark.parametrize(("snippet", "by"), named("python"))
def test_python(here: Street, snippet: Snippet, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example in Python does its work through each kind of door that it is for."""
    if by == UNIX:
        with street(tmp_path, doors={"github": f"unix:{tmp_path}/github.sock"}) as there, there.watched():
            execute(snippet, there.environment("port") | {"BREAKWATER_GITHUB": ""}, monkeypatch)
        return
    with here.watched(), monkeypatch.context() as patch:
        if ".localhost" in snippet.code:
            patch.setattr(socket, "getaddrinfo", SYSTEM)
        execute(snippet, here.environment(by, 1 + RUNNING.index((snippet, by))), patch)
        if ".localhost" in snippet.code:
            key = {"Authorization": f"Bearer {here.key}"}
            httpx.get(f"{os.environ['BREAKWATER_GITHUB']}/repos/ada/engine", headers=key).raise_for_status()


@pytest.mark.slow
@pytest.mark.parametrize(("snippet", "by"), named("js"))
def test_javascript(here: Street, snippet: Snippet, by: str, tmp_path: Path) -> None:
    """An example in JavaScript does its work through each kind of door that it is for."""
    code = snippet.code
    if ".localhost" in code:
        headers = "{ headers: { authorization: `Bearer ${process.env.BREAKWATER_KEY}`, 'user-agent': 'reader' } }"
        code += f'await fetch(process.env.BREAKWATER_GITHUB + "/repos/ada/engine", {headers});\n'
    else:
        code = f'import "./localhost.mjs";\n{code}'
    script = laid_out(tmp_path / "run", "localhost.mjs") / "example.mjs"
    script.write_text(code, "utf-8")
    with here.watched():
        ran = subprocess.run(
            [NODE, script.name],
            cwd=script.parent,
            env=environment(tmp_path, here.environment(by, 1 + RUNNING.index((snippet, by)))),
            capture_output=True,
            text=True,
            timeout=NODE_S,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
