"""Every recipe for a lost write of the bundled overlays, followed on the sandbox that knows the operation."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from config.catalog import After, OperationSpec, Place
from config.dialect import point_at
from loadtest.upstreams.github import GithubSandbox
from loadtest.upstreams.jira import JiraSandbox
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.stripe import StripeSandbox
from tests.config.looking import Arguments, Site, claimed, mark
from tests.config.test_overlays import CATALOGS, WRITES
from tests.conftest import Figure
from tests.loadtest.jira_plain import Clock, document
from tests.loadtest.plain import SECRET

CALL = "01KAB6V2Q3N4P5R6S7T8V9W0XY"
SANDBOXES: dict[str, Callable[..., Sandbox]] = {"stripe": StripeSandbox, "github": GithubSandbox, "jira": JiraSandbox}
REPO = {"path.owner": "ada", "path.repo": "engine"}
SPECS = {f"{api}:{spec.name}": spec for api, specs in WRITES.items() for spec in specs.values() if spec.find}


class Case(NamedTuple):
    """
    A write, what differs in another that must not be taken for it, and where its answer names what it made.
    """

    first: list[tuple[str, dict[str, Any]]]
    arguments: dict[str, Any]
    other: dict[str, Any]
    made: str = "/id"


def text64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PAY = ("payment_intents.create", {"body.amount": 900, "body.currency": "usd", "body.payment_method": "pm_card_visa",
                                  "body.confirm": "true"})  # fmt: skip
ISSUE = ("issues/create", {**REPO, "body.title": "Leak"})
TIP = ("git/get-ref", {**REPO, "path.ref": "heads/main"})
WRITE = ("repos/create-or-update-file-contents", {**REPO, "path.path": "a.txt", "body.message": "Add",
                                                  "body.content": text64("a"), "body.branch": "fix"})  # fmt: skip
TASK = {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "Card declined", "labels": ["vip"]}
TICKET = ("createIssue", {"body.fields": TASK})
ON_TICKET = {"path.issueIdOrKey": "SHOP-1"}

# `$N/POINTER` is what the Nth request before it was answered.
BRANCH = [TIP, ("git/create-ref", {**REPO, "body.ref": "refs/heads/fix", "body.sha": "$0/object/sha"}), WRITE]
CASES: dict[str, Case] = {
    "stripe:customers.create": Case(
        [], {"body.email": "ada@shop.test", "body.name": "Ada", "body.metadata": {"tier": "gold"}}, {"body.name": "Bob"}
    ),
    "stripe:payment_intents.create": Case(
        [], {"body.amount": 500, "body.currency": "usd", "body.description": "Tea"}, {"body.amount": 501}
    ),
    "stripe:charges.create": Case(
        [], {"body.amount": 500, "body.currency": "usd", "body.source": "tok_visa"}, {"body.amount": 501}
    ),
    "stripe:refunds.create": Case(
        [PAY], {"body.charge": "$0/latest_charge", "body.amount": 100, "body.reason": "duplicate"}, {"body.amount": 101}
    ),
    "stripe:files.create": Case([], {"body.purpose": "dispute_evidence"}, {"body.purpose": "business_logo"}),
    "github:issues/create": Case(
        [],
        {**REPO, "body.title": "Leak", "body.body": "wet", "body.labels": ["bug"], "body.assignees": ["grace"]},
        {"body.title": "Drip"},
        "/id",
    ),
    "github:issues/create-comment": Case(
        [ISSUE], {**REPO, "path.issue_number": 1, "body.body": "Done"}, {"body.body": "Not done"}
    ),
    "github:pulls/create": Case(
        BRANCH, {**REPO, "body.title": "Fix", "body.head": "fix", "body.base": "main", "body.body": "It"}, {}
    ),
    "github:pulls/create-review": Case(
        [*BRANCH, ("pulls/create", {**REPO, "body.title": "Fix", "body.head": "fix", "body.base": "main"})],
        {**REPO, "path.pull_number": 1, "body.event": "COMMENT", "body.body": "fine"},
        {"body.body": "not fine"},
    ),
    "github:repos/create-release": Case(
        [], {**REPO, "body.tag_name": "v1", "body.name": "One", "body.body": "First"}, {"body.tag_name": "v2"}
    ),
    "github:repos/upload-release-asset": Case(
        [("repos/create-release", {**REPO, "body.tag_name": "v1"})],
        {**REPO, "path.release_id": "$0/id", "query.name": "a.bin", "body.raw": b"abc"},
        {"query.name": "b.bin"},
    ),
    "github:repos/create-or-update-file-contents": Case(
        [TIP],
        {**REPO, "path.path": "docs/a.txt", "body.message": "Write", "body.content": text64("1")},
        {"path.path": "docs/b.txt"},
        "/commit/sha",
    ),
    "jira:createIssue": Case([], {"body.fields": TASK}, {"body.fields": TASK | {"summary": "Card lost"}}),
    "jira:addComment": Case(
        [TICKET], {**ON_TICKET, "body.body": document("Done")}, {"body.body": document("Not done")}
    ),
    "jira:addWorklog": Case([TICKET], {**ON_TICKET, "body.timeSpentSeconds": 60}, {"body.timeSpentSeconds": 120}),
    "jira:addAttachment": Case([TICKET], dict(ON_TICKET), {"path.issueIdOrKey": "SHOP-1"}, "/0/id"),
}


def site(api: str) -> tuple[Site, Clock]:
    """
    Return a sandbox that need not listen, on a clock that stands until it is moved.
    """
    clock = Clock()
    return Site(CATALOGS[api], SANDBOXES[api](secret=SECRET, clock=clock)), clock


def done(on: Site, name: str, arguments: Arguments) -> Any:
    """
    Make one request that must succeed.
    """
    status, answer = on.send(name, arguments)
    assert status < 300, (name, arguments, answer)
    return answer


def filled(arguments: Arguments, answers: list[Any]) -> dict[str, Any]:
    """
    Return arguments with what earlier answers said in place of `$N/POINTER`.
    """
    found = dict(arguments)
    for key, value in arguments.items():
        if isinstance(value, str) and value.startswith("$"):
            number, _, pointer = value[1:].partition("/")
            found[key] = point_at(answers[int(number)], f"/{pointer}")
    return found


def prepared(api: str, case: Case) -> tuple[Site, Clock, dict[str, Any]]:
    """
    Return a sandbox on which all that a write needs was made long before, and its arguments.
    """
    on, clock = site(api)
    answers: list[Any] = []
    for name, arguments in case.first:
        answers.append(done(on, name, filled(arguments, answers)))
    clock.now += 3600
    return on, clock, filled(case.arguments, answers)


@pytest.mark.parametrize("named", CASES)
def test_found(named: str) -> None:
    """A lost write's list shows one item of its time that has every sent value, and the object under its key."""
    api, _, name = named.partition(":")
    spec, case = SPECS[named], CASES[named]
    on, _, arguments = prepared(api, case)
    assert on.look(spec, arguments) == []
    if case.other.keys() - ON_TICKET.keys():
        done(on, name, arguments | case.other)
    made = done(on, name, arguments)
    items = [item for item in on.look(spec, arguments) if all(claimed(spec, arguments, item).values())]
    assert spec.find is not None
    assert [str(point_at(item, spec.find.id)) for item in items] == [str(point_at(made, case.made))]
    compared = claimed(spec, arguments, items[0])
    assert compared.keys() >= case.other.keys() - {"path.path", *ON_TICKET}
    check_object(on, spec, arguments, items[0])


def check_object(on: Site, spec: OperationSpec, arguments: Arguments, item: Any) -> None:
    """
    Hold the key that an item shows to the read of the object that the write is about.
    """
    if not spec.touches or spec.find is None:
        return
    main, shown = spec.touches[0], dict(spec.find.key)
    read = on.catalog.operations[main.object.read]
    key = {}
    for parameter, source in main.sources:
        place = Place.PATH if (Place.PATH, parameter) in read.arguments else Place.QUERY
        value = (
            point_at(item, shown[parameter]) if parameter in shown else arguments.get(f"{source.origin}.{source.name}")
        )
        if value is not None:
            key[f"{place}.{parameter}"] = value
    assert main.after is not After.GONE
    assert on.send(read.name, key)[0] == 200, key


@pytest.mark.parametrize("named", [named for named in CASES if SPECS[named].marker])
def test_marked(named: str) -> None:
    """A marked write is found by its marker among others that are alike in everything else."""
    api, _, name = named.partition(":")
    spec, case = SPECS[named], CASES[named]
    assert spec.marker is not None
    assert spec.find is not None
    on, clock, arguments = prepared(api, case)
    marked, text = mark(spec.marker, arguments, CALL)
    made = done(on, name, marked)
    clock.now += 1
    if "head" not in str(arguments) and "tag_name" not in str(arguments):
        done(on, name, arguments | {key: value for key, value in case.other.items() if key.startswith("path.")})
    shown = [item for item in on.look(spec, arguments, text) if text in str(point_at(item, spec.marker.shown))]
    assert [str(point_at(item, spec.find.id)) for item in shown] == [str(point_at(made, case.made))]


def test_pull_requests_apart() -> None:
    """A pull request is none of the issues that are listed with it."""
    on, _ = site("github")
    answers: list[Any] = []
    for name, arguments in [*BRANCH, ("pulls/create", {**REPO, "body.title": "Leak", "body.head": "fix",
                                                       "body.base": "main"})]:  # fmt: skip
        answers.append(done(on, name, filled(arguments, answers)))
    assert on.look(SPECS["github:issues/create"], ISSUE[1]) == []


LAGGING = [("jira:createIssue", [TICKET], "search_lag_s"), ("github:issues/create", [ISSUE], "list_lag_s")]


@pytest.mark.parametrize(("named", "writes", "knob"), LAGGING)
def test_lagging(named: str, writes: list[tuple[str, dict[str, Any]]], knob: str) -> None:
    """A list that lags shows nothing of a write at first, and later what it made."""
    on, clock = site(named.partition(":")[0])
    on.upstream.turn({knob: 180})
    sent = clock.now
    for name, arguments in writes:
        done(on, name, arguments)
    looks = []
    for _ in range(3):
        looks.append(len(on.look(SPECS[named], writes[-1][1], since=sent)))
        clock.now += 90
    assert looks == [0, 0, 1]


PAGED = ["stripe:customers.create", "github:issues/create", "jira:createIssue", "jira:addComment"]


@pytest.mark.parametrize("named", PAGED)
def test_beyond_a_page(named: str) -> None:
    """What stands behind a page of others is found on the next, however a list goes on."""
    api, _, name = named.partition(":")
    spec, case = SPECS[named], CASES[named]
    on, _, arguments = prepared(api, case)
    made = done(on, name, arguments)
    assert spec.find is not None
    others = arguments | case.other | ({"body.email": arguments["body.email"]} if api == "stripe" else {})
    for _ in range(101):
        done(on, name, others)
    found = on.look(spec, arguments)
    assert len({str(point_at(item, spec.find.id)) for item in found}) == len(found) == 102
    matching = [item for item in found if all(claimed(spec, arguments, item).values())]
    assert [str(point_at(item, spec.find.id)) for item in matching] == [str(point_at(made, case.made))]


# What a sandbox does not know is held against the table alone.
def test_rest_unknown(figure: Figure) -> None:
    """What is not followed here is no operation of its sandbox; how many are is printed."""
    sites = {api: site(api)[0] for api in SANDBOXES}
    for named in SPECS.keys() - CASES.keys():
        api, _, name = named.partition(":")
        path = {
            f"path.{key}": REPO.get(f"path.{key}", "1") for place, key in SPECS[named].arguments if place is Place.PATH
        }
        assert sites[api].send(name, path)[0] in {404, 405}, named
    figure("recipes for lost writes", len(SPECS))
    figure("recipes for lost writes, followed on a sandbox", len(CASES))
    figure("recipes for lost writes, with a marker", sum(spec.marker is not None for spec in SPECS.values()))
