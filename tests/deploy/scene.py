"""A Breakwater that something has happened to, and a Prometheus that reads it."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from loadtest.installation import START_S, STOP_S, agent, stripe_api
from loadtest.upstreams.stripe import StripeSandbox
from proxy.cli.client import find_running
from tests.canary.forms import secret
from tests.harness import in_thread, running
from tests.tidy.source import ROOT

DEPLOY = ROOT / "deploy"
_STEP_S = 0.05
_LISTENS = re.compile(r'"Listening on" address=(\S+)')

ALLOWED = {"stripe": {"customers.*": {}, "refunds.create": {"limit": {"amount": "0.50..100 USD"}}}}
CARD = agent(ALLOWED, caps={"day": {"calls": 100, "moved": "500 USD"}}, review="100%")

# A disk that happens to be full is another test's business.
ROOMY: Mapping[str, object] = {"disk": {"min_free_bytes": 0, "min_free_pct": 0, "reserve_bytes": 0}}


@contextlib.contextmanager
def busy(folder: Path) -> Iterator[str]:
    """
    Run a Breakwater whose agent has read, written, repeated, been refused and been parked; yield its admin door.
    """
    given = secret("deploy")
    with in_thread(StripeSandbox(secret=given)) as upstream:
        document = {"apis": {"stripe": stripe_api(upstream.url)}, "agents": {"shopkeeper": CARD}, "ledger": ROOMY}
        with running(folder, document, {"STRIPE_SECRET": given}, ["shopkeeper"]) as (installation, keys):
            key, door = keys["shopkeeper"], installation.doors["stripe"]

            def call(method: str, path: str, form: Mapping[str, object] | None = None, **headers: str) -> int:
                return ask(door, method, path, form, {"Authorization": f"Bearer {key}", **headers})

            assert call("GET", "/v1/customers") == 200
            for _ in "twice":
                assert call("POST", "/v1/customers", {"name": "ada"}, **{"Idempotency-Key": "one"}) == 200
            assert call("POST", "/v1/payouts", {"amount": 1}) == 403
            assert ask(door, "GET", "/v1/customers", None, {}) == 401
            process = find_running(installation.state)
            assert process is not None
            process.insist("POST", "/v1/kill/drill")
            stop = {"scope": "op:customers.create", "mode": "suggest", "reason": "the scene needs a suggestion"}
            process.insist("POST", "/v1/kill", stop)
            assert call("POST", "/v1/customers", {"name": "grace"}) == 403
            yield installation.doors["admin"]


def ask(url: str, method: str, path: str, form: Mapping[str, object] | None, headers: Mapping[str, str]) -> int:
    """
    Make one call, and return its status.
    """
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=START_S)
    try:
        body = None if form is None else urllib.parse.urlencode(form)
        kind = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, body, {**kind, **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def read(url: str) -> str:
    """
    Return what a URL answers, whatever proxy the environment names.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=START_S) as answer:
        return str(answer.read().decode())


@dataclass(frozen=True, slots=True)
class Prometheus:
    """
    A running Prometheus.
    """

    url: str

    def get(self, path: str, **query: str) -> Any:
        """
        Ask its API; what it does not understand is an assertion.
        """
        answer = json.loads(read(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def series(self, query: str) -> list[Any]:
        """
        Return what a query comes to now.
        """
        return list(self.get("query", query=query)["result"])

    def until(self, is_so: Callable[[], object], what: str) -> None:
        """
        Wait until something is so.
        """
        wait_until(is_so, lambda: what)


def wait_until(is_so: Callable[[], object], what: Callable[[], str]) -> None:
    """
    Wait until something is so; `what` says in words that it is not.
    """
    until = time.monotonic() + START_S
    while not is_so():
        assert time.monotonic() < until, what()
        time.sleep(_STEP_S)


@contextlib.contextmanager
def scraping(binary: Path, folder: Path, admin: str) -> Iterator[Prometheus]:
    """
    Run a Prometheus with the rules of deploy/, that reads a Breakwater several times a second.
    """
    written = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yaml").read_text("utf-8"))
    (job,) = written["scrape_configs"]
    targets = [{"targets": [urlsplit(admin).netloc]}]
    job |= {"scrape_interval": "500ms", "scrape_timeout": "500ms", "static_configs": targets}
    rules = [str(DEPLOY / "prometheus" / name) for name in written["rule_files"]]
    document = {**written, "rule_files": rules, "global": {"evaluation_interval": "500ms"}}
    (folder / "prometheus.yaml").write_text(json.dumps(document), "utf-8")
    told = (
        *("--config.file", str(folder / "prometheus.yaml"), "--storage.tsdb.path", str(folder / "data")),
        *("--web.listen-address", "127.0.0.1:0"),
    )
    log = folder / "prometheus.log"
    with log.open("wb") as file, subprocess.Popen([str(binary), *told], stdout=file, stderr=file) as process:

        def listening() -> list[str]:
            said = log.read_text("utf-8")
            assert process.poll() is None, said
            return _LISTENS.findall(said)

        try:
            wait_until(listening, lambda: log.read_text("utf-8"))
            made = Prometheus(f"http://{listening()[0]}")

            def has_read() -> list[Any]:
                # It listens before it can be asked.
                with contextlib.suppress(urllib.error.HTTPError):
                    return made.series('count_over_time(up{job="breakwater"}[1m]) > 2')
                return []

            made.until(has_read, "nothing was read")
            yield made
        finally:
            process.terminate()
            process.wait(STOP_S)
