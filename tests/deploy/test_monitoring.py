"""Alert rules and the dashboard: each query is asked of a real Prometheus that reads a running Breakwater."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from breakers.breaker import State
from proxy.control.summing import ParentMetrics
from tests.deploy.obtained import program
from tests.deploy.queries import ADDED, OWN, asked, documented, family, filled
from tests.deploy.scene import DEPLOY, Prometheus, busy, read, scraping
from tests.tidy.source import ROOT

RULES_FILE = DEPLOY / "prometheus" / "alerts.yaml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES_FILE.read_text("utf-8"))["groups"] for rule in group["rules"]
}
DASHBOARD = json.loads((DEPLOY / "grafana" / "breakwater.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
EVERY = [*((name, rule["expr"]) for name, rule in RULES.items()), *QUERIES]

# What nobody has met yet in the scene: their queries are understood, and find nothing.
RARE = frozenset(
    {
        *("breakwater_duplicates_refused_total", "breakwater_loops_noticed_total", "breakwater_upstream_retries_total"),
        *("breakwater_doubts_resolved_total", "breakwater_doubt_incidents_total", "breakwater_credential_echoes_total"),
        *("breakwater_budget_alerts_total", "breakwater_suggestions_ended_total"),
        *("breakwater_suggestions_unkept_total", "breakwater_approval_seconds"),
        *("breakwater_drift_alarms_total", "breakwater_drifting"),
        *("breakwater_store_rebuilds_total", "breakwater_letters_refused_total", "breakwater_reloads_total"),
        *("breakwater_breaker_state", "breakwater_breaker_transitions_total"),
        *("breakwater_workers", "breakwater_worker_starts_total"),
    }
)


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """
    Give the admin door of a Breakwater that something has happened to.
    """
    with busy(tmp_path_factory.mktemp("scene")) as door:
        yield door


@pytest.fixture(scope="module")
def prometheus(admin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """
    Give a Prometheus that reads it.
    """
    binary = program("prometheus")
    with scraping(binary, tmp_path_factory.mktemp("prometheus"), admin) as made:
        yield made


def anchors(page: str) -> set[str]:
    """
    Return the anchors of a page's headings, as GitHub makes them.
    """
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_names(admin: str) -> None:
    """Each metric that a rule or a panel names is documented and shown, and each label is one that it has."""
    said = read(f"{admin}/metrics") + generate_latest(ParentMetrics().registry).decode()
    shown = set(re.findall(r"^# TYPE (\w+) ", said, re.MULTILINE))
    known, wrong = documented(), []
    for name, query in EVERY:
        what = asked(filled(query))
        ours = {family(metric) for metric in what.metrics - OWN}
        wrong += [f"{name}: {metric} is in no page" for metric in ours - known.keys()]
        wrong += [f"{name}: {metric} is not shown" for metric in ours - shown]
        labels = {label for metric in ours & known.keys() for label in known[metric][1]}
        wrong += [f"{name}: no metric there has a label {label}" for label in what.labels - labels - ADDED]
    assert wrong == []


def test_every_metric_shown() -> None:
    """Each metric that is documented has a place on the dashboard."""
    on_it = {family(metric) for _, query in QUERIES for metric in asked(filled(query)).metrics}
    assert documented().keys() - on_it == set()


def test_over_starts() -> None:
    """When the newest drill was is asked over time: a process that is started anew does not know of it."""
    queries = [query for _, query in EVERY if "breakwater_kill_drill_timestamp_seconds" in query]
    assert ["max_over_time(" in query for query in queries] == [True, True]


def test_holding() -> None:
    """A breaker that an operator keeps open is not among those that hold."""
    (query,) = [query for title, query in QUERIES if title == "Breakers that hold"]
    assert re.findall(r'state!~"([^"]+)"', query) == [f"{State.PASSING}|{State.FORCED_PASSING}"]


def test_tokens() -> None:
    """A query's metrics and labels are found in every form that one may have."""
    what = asked('sum by (a, b) (rate(x_total{c=~"y_total|z", d!="e{f}"}[5m] offset 1h)) / on (g) z_bucket > 0.5 and u')
    assert what.metrics == {"x_total", "z_bucket", "u"}
    assert what.labels == {"a", "b", "c", "d", "g"}


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    """A rule says how urgent it is, what is so in words, names only labels that it has, and leads to a paragraph."""
    rule = RULES[name]
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    words = rule["annotations"]
    assert set(words) == {"summary", "description", "runbook"}
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"])))) or {"job", "instance"}
    used = set(re.findall(r"\$labels\.(\w+)", words["summary"] + words["description"]))
    assert used <= grouped, f"{name} shows labels that its query drops"
    page, _, anchor = words["runbook"].partition("#")
    assert anchor in anchors(page), f"{name}: {page} has no {anchor}"


def test_rules_tested() -> None:
    """Each rule is seen to fire, and each not to, in the tests for promtool."""
    tests = yaml.safe_load((DEPLOY / "prometheus" / "alerts.test.yaml").read_text("utf-8"))["tests"]
    looks = [look for test in tests for look in test["promql_expr_test"]]
    fired = {re.findall(r'"(\w+)"', sample["labels"])[0] for look in looks for sample in look["exp_samples"]}
    assert fired == set(RULES)
    assert any(not look["exp_samples"] for look in looks)


def test_promtool() -> None:
    """The rules are understood by promtool, and fire when they should and not otherwise."""
    promtool = program("promtool")
    for words in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts.test.yaml"]):
        ran = subprocess.run([promtool, *words], cwd=RULES_FILE.parent, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_fails(tmp_path: Path) -> None:
    """A rule that asks for four times as much is found by its test."""
    promtool = program("promtool")
    for name in ("alerts.yaml", "alerts.test.yaml"):
        (tmp_path / name).write_text((RULES_FILE.parent / name).read_text("utf-8"), "utf-8")
    tests = yaml.safe_load((tmp_path / "alerts.test.yaml").read_text("utf-8"))
    tests["tests"] = [test for test in tests["tests"] if test["name"].startswith("the record: one worker")]
    (tmp_path / "alerts.test.yaml").write_text(json.dumps(tests), "utf-8")
    rules = (tmp_path / "alerts.yaml").read_text("utf-8")
    (tmp_path / "alerts.yaml").write_text(rules.replace("> 1000", "> 4000"), "utf-8")
    words = [str(promtool), "test", "rules", "alerts.test.yaml"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode == 1


def test_panels() -> None:
    """The panels lie side by side, on 24 columns, each with a title of its own, and ask the source that was chosen."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} lies on another one"
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in PANELS:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        assert all('job="$job"' in target["expr"] for target in panel["targets"])
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource", "job", "instance"]


def test_queries(prometheus: Prometheus) -> None:
    """Each query of the dashboard is understood, and finds series wherever what it asks for has happened."""
    for title, query in QUERIES:
        full = filled(query)
        if not {family(metric) for metric in asked(full).metrics} & RARE:
            # What is counted behind the road may come with the next look.
            prometheus.until(partial(prometheus.series, full), f"{title}: nothing comes of {full}")
        assert prometheus.get("query", query=full)["resultType"] == "vector"
    for one in DASHBOARD["templating"]["list"][1:]:
        listed = re.search(r"label_values\((.+), (\w+)\)", one["definition"])
        assert listed is not None
        assert prometheus.series(f"group by ({listed[2]}) ({filled(listed[1])})")


def test_rules_run(prometheus: Prometheus) -> None:
    """Each rule is evaluated without a fault, and of a Breakwater with one scope stopped that is told, in words."""

    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]

    prometheus.until(lambda: all(rule["health"] != "unknown" for rule in rules()), "no rule was evaluated")
    assert {rule["name"] for rule in rules()} == set(RULES)
    assert [rule["lastError"] for rule in rules() if rule["health"] != "ok"] == []

    firing: dict[str, dict[str, Any]] = {}

    def is_told() -> bool:
        told = prometheus.get("alerts")["alerts"]
        firing.update({each["labels"]["alertname"]: each for each in told if each["state"] == "firing"})
        return "BreakwaterStopped" in firing

    prometheus.until(is_told, "a stop is told to nobody")
    # A busy machine may be slow to stop.
    assert set(firing) - {"BreakwaterStopSlow", "BreakwaterDrillFailed"} == {"BreakwaterStopped"}
    words = " ".join(" ".join(each["annotations"].values()) for each in firing.values())
    assert "1 scopes are in mode suggest" in words
    assert "<error" not in words
    assert "<no value>" not in words
