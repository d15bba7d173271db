from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.upstreams.jira import JiraSandbox
from tests.loadtest.jira_plain import Clock, Said, ask, document, make, sandbox


def search(upstream: JiraSandbox, jql: str, **more: object) -> Said:
    return ask(upstream, "POST", "search/jql", {"jql": jql, "fields": ["summary"], **more})


def keys(upstream: JiraSandbox, jql: str, **more: object) -> list[str]:
    said = search(upstream, jql, **more)
    assert said.status == 200, said
    return [each["key"] for each in said.body["issues"]]


def filled() -> JiraSandbox:
    """
    Return a site with four issues that differ in everything that can be asked for.
    """
    upstream = sandbox()
    make(upstream, "Card declined", labels=["urgent", "from-bot"], description=document("the customer's Visa"))
    make(upstream, "Refund twice", issuetype={"name": "Bug"}, priority={"name": "High"})
    make(upstream, "Card and order by mistake", labels=["Urgent"], assignee={"accountId": "712020:mia"})
    make(upstream, "Deploy", project={"key": "OPS"}, labels=["from bot".replace(" ", "_")])
    ask(upstream, "POST", "issue/SHOP-2/transitions", {"transition": {"id": "21"}})
    ask(upstream, "POST", "issue/SHOP-3/transitions", {"transition": {"id": "31"}})
    return upstream


@pytest.mark.parametrize(
    ("jql", "found"),
    [
        ("project = SHOP", "123"),
        ("project = shop ORDER BY key ASC", "123"),
        ("project=10000", "123"),
        ('project in (SHOP, "Operations")', "1234"),
        ("project != SHOP", "4"),
        ("key = SHOP-2", "2"),
        ("issue in (SHOP-2, shop-3) and project = SHOP", "23"),
        ("id = 10001", "2"),
        ("labels = urgent", "13"),
        ("labels in (urgent) AND labels = from-bot", "1"),
        ("labels != urgent", "4"),
        ("labels not in (urgent, from_bot)", ""),
        ("labels is EMPTY", "2"),
        ("labels is not empty AND project = SHOP", "13"),
        ("labels = nobody-has-this", ""),
        ('status = "In Progress"', "2"),
        ("status = 'to do'", "14"),
        ("status != Done and project = SHOP", "12"),
        ("issuetype = Bug", "2"),
        ("type != Bug", "134"),
        ("priority = High", "2"),
        ("assignee = 'mia@shop.test'", "3"),
        ("assignee is empty and project = SHOP", "12"),
        ('text ~ "card declined"', "1"),
        ("summary ~ card", "13"),
        ("summary !~ card", "24"),
        ("text ~ visa", "1"),
        ('summary ~ "ref*"', "2"),
        ("description ~ card", ""),
        ('summary ~ "order by"', "3"),
        ("creator = currentUser() AND project = SHOP", "123"),
        ("creator = 'bot@shop.test'", "1234"),
        ("creator = 'mia@shop.test'", ""),
        ("creator in (currentUser(), '712020:mia') and type = Bug", "2"),
        ("assignee = currentUser()", ""),
        ("reporter = currentUser() and type = Bug", "2"),
        ("created >= -1m and project = SHOP", "123"),
        ("created > -1d and created <= '2027/01/15 08:00' and type = Bug", "2"),
        ("created < '2027-01-15'", ""),
    ],
)
def test_found(jql: str, found: str) -> None:
    """A query finds what meets every clause of it."""
    assert sorted(key[-1] if key != "OPS-1" else "4" for key in keys(filled(), jql)) == list(found)


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("", ["OPS-1", "SHOP-3", "SHOP-2", "SHOP-1"]),
        ("ORDER BY key", ["OPS-1", "SHOP-1", "SHOP-2", "SHOP-3"]),
        ("order by created asc", ["SHOP-1", "SHOP-2", "SHOP-3", "OPS-1"]),
        ("ORDER BY priority DESC, key DESC", ["SHOP-2", "SHOP-3", "SHOP-1", "OPS-1"]),
    ],
)
def test_ordered(order: str, found: list[str]) -> None:
    """A query's issues come in its order, the newest first where it has none."""
    assert keys(filled(), f"project in (SHOP, OPS) {order}") == found


@pytest.mark.parametrize(
    "jql",
    [
        "",
        "ORDER BY created",
        "nonsense = 1",
        "project = NO",
        "key = SHOP-99",
        "status = Nowhere",
        "assignee = nobody",
        "project",
        "project =",
        "project ~ SHOP",
        "summary = card",
        "project = SHOP OR project = OPS",
        "project = SHOP AND",
        "project in SHOP",
        "project in (SHOP",
        "project in (SHOP OPS)",
        "labels is urgent",
        'summary ~ "card',
        "project = SHOP ORDER BY",
        "project = SHOP ORDER BY nonsense",
        "project = SHOP ORDER BY key SIDEWAYS",
        "creator = nobody",
        "creator = membersOf()",
        "created = -1d",
        "created >= yesterday",
        "created >= '2027/13/45'",
    ],
)
def test_unread(jql: str) -> None:
    """A query that Jira would not read, or that asks for everything, is refused."""
    said = search(filled(), jql)
    assert (said.status, len(said.body["errorMessages"]), said.body["errors"]) == (400, 1, {})


def test_fields() -> None:
    """A search shows ids alone unless it asks for fields, and then those only."""
    upstream = filled()
    ask_ = "search/jql?jql=" + quote("key = SHOP-1")
    assert ask(upstream, "GET", ask_).body["issues"] == [{"id": "10000"}]
    (shown,) = ask(upstream, "GET", ask_ + "&fields=summary,labels&fields=status").body["issues"]
    assert (shown["key"], set(shown["fields"])) == ("SHOP-1", {"summary", "labels", "status"})
    (whole,) = ask(upstream, "GET", ask_ + "&fields=*all,-comment").body["issues"]
    assert ("comment" in whole["fields"], "worklog" in whole["fields"]) == (False, True)
    assert "worklog" not in ask(upstream, "GET", ask_.replace("/jql", "")).body["issues"][0]["fields"]


def test_counted() -> None:
    """The count of a query is how many it finds."""
    assert ask(filled(), "POST", "search/approximate-count", {"jql": "labels = urgent"}).body == {"count": 2}


# -------------------------------------------------------------------------------------------------------------- pages


def walked(upstream: JiraSandbox, jql: str, size: int) -> list[str]:
    found: list[str] = []
    token: dict[str, Any] = {}
    while True:
        page = search(upstream, jql, maxResults=size, **token).body
        found += [each["key"] for each in page["issues"]]
        assert page["isLast"] == ("nextPageToken" not in page)
        if page["isLast"]:
            return found
        token = {"nextPageToken": page["nextPageToken"]}


@settings(max_examples=25)
@given(st.integers(0, 8), st.integers(1, 9))
def test_pages_complete(count: int, size: int) -> None:
    """Pages of any size show every issue once and in order, by token and by number."""
    upstream = sandbox()
    made = [make(upstream) for _ in range(count)]
    assert walked(upstream, "project = SHOP ORDER BY key", size) == made
    found: list[str] = []
    for start in range(0, count + size, size):
        page = ask(upstream, "GET", f"search?jql=&startAt={start}&maxResults={size}").body
        assert (page["startAt"], page["total"]) == (start, count)
        found += [each["key"] for each in page["issues"]]
    assert found == made[::-1]


def test_pages_between_changes() -> None:
    """What is made or deleted between two pages neither repeats an issue nor hides one."""
    upstream = sandbox()
    for _ in range(4):
        make(upstream)
    first = search(upstream, "project = SHOP", maxResults=2).body
    make(upstream)
    ask(upstream, "DELETE", "issue/SHOP-4")
    second = search(upstream, "project = SHOP", maxResults=2, nextPageToken=first["nextPageToken"]).body
    assert [each["key"] for page in (first, second) for each in page["issues"]] == [
        "SHOP-4",
        "SHOP-3",
        "SHOP-2",
        "SHOP-1",
    ]


@pytest.mark.parametrize("token", ["nonsense", "e30=", None])
def test_wrong_token(token: str | None) -> None:
    """A token that is none, or another query's, is refused."""
    upstream = filled()
    other = search(upstream, "project = SHOP", maxResults=1).body["nextPageToken"]
    assert search(upstream, "type = Task", nextPageToken=token or other).status == 400


# ---------------------------------------------------------------------------------------------------------------- lag


def test_lag() -> None:
    """A search hears of a new issue, an edit and a deletion only after the lag, and reading one at once."""
    clock = Clock()
    upstream = sandbox(clock=clock, search_lag_s=60)
    key = make(upstream, labels=["old"])
    assert (keys(upstream, "project = SHOP"), ask(upstream, "GET", f"issue/{key}").status) == ([], 200)
    clock.now += 60
    assert keys(upstream, "labels = old") == [key]
    ask(upstream, "PUT", f"issue/{key}", {"fields": {"labels": ["new"]}})
    assert (keys(upstream, "labels = old"), keys(upstream, "labels = new")) == ([key], [])
    clock.now += 59.9
    assert keys(upstream, "labels = new") == []
    clock.now += 0.1
    assert (keys(upstream, "labels = old"), keys(upstream, "labels = new")) == ([], [key])
    ask(upstream, "DELETE", f"issue/{key}")
    assert keys(upstream, "labels = new") == [key]
    clock.now += 60
    assert keys(upstream, "labels = new") == []


def test_reconciled() -> None:
    """Issues that are named are found as they are now, whatever the lag."""
    upstream = sandbox(search_lag_s=60)
    key, other = make(upstream), make(upstream)
    assert keys(upstream, "project = SHOP", reconcileIssues=[10000]) == [key]
    ask(upstream, "DELETE", f"issue/{other}")
    assert keys(upstream, "project = SHOP", reconcileIssues=[10000, 10001]) == [key]
    assert search(upstream, "project = SHOP", reconcileIssues=list(range(51))).status == 400


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("make"), st.integers(0, 2)),
        st.tuples(st.just("label"), st.integers(0, 2)),
        st.tuples(st.just("delete"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 7)),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(STEPS, st.integers(0, 6))
def test_lag_is_the_past(steps: list[tuple[str, int]], lag: int) -> None:
    """Whatever is done, a search at any time finds the site as it was one lag ago."""
    clock = Clock()
    upstream = sandbox(clock=clock, search_lag_s=lag)
    started = clock.now
    labels: dict[str, str] = {}
    past: list[tuple[float, dict[str, str]]] = [(started - 100, {})]
    for verb, number in steps:
        match verb:
            case "make":
                labels[make(upstream, labels=[f"l{number}"])] = f"l{number}"
            case "label" if labels:
                key = min(labels)
                ask(upstream, "PUT", f"issue/{key}", {"fields": {"labels": [f"l{number}"]}})
                labels[key] = f"l{number}"
            case "delete" if labels:
                ask(upstream, "DELETE", f"issue/{min(labels)}")
                del labels[min(labels)]
            case "wait":
                clock.now += number
            case _:
                pass
        past.append((clock.now, dict(labels)))
        then = [was for at, was in past if at <= clock.now - lag][-1]
        for label in ("l0", "l1", "l2"):
            assert set(keys(upstream, f"labels = {label}")) == {key for key, was in then.items() if was == label}


def test_lag_changed() -> None:
    """A new lag holds for what is written from then on, and a later writing never loses to an earlier one."""
    clock = Clock()
    upstream = sandbox(clock=clock, search_lag_s=60)
    key = make(upstream, labels=["old"])
    upstream.search_lag_s = 0
    ask(upstream, "PUT", f"issue/{key}", {"fields": {"labels": ["new"]}})
    assert keys(upstream, "labels = new") == [key]
    clock.now += 100
    assert keys(upstream, "labels = new") == [key]
    upstream.search_lag_s = 5
    upstream.reset()
    make(upstream)
    assert keys(upstream, "project = SHOP") == []
