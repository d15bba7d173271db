from __future__ import annotations

from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.upstreams.jira.fields import FIELDS
from loadtest.upstreams.jira.routes import ROUTES
from tests.loadtest.jira_plain import ask, document, make, sandbox

MEMBERS = [
    *FIELDS,
    *("fields", "update", "properties", "transition", "issueUpdates", "historyMetadata", "add", "set", "remove"),
    *(
        "body",
        "visibility",
        "timeSpent",
        "timeSpentSeconds",
        "started",
        "id",
        "key",
        "name",
        "accountId",
        "type",
        "content",
    ),
    *("inwardIssue", "outwardIssue", "jql", "maxResults", "startAt", "nextPageToken", "reconcileIssues", "expand"),
]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 12_000),
        st.floats(allow_nan=False),
        st.sampled_from(
            ["SHOP", "SHOP-1", "10000", "10004", "21", "Task", "Blocks", "doc", "1h", "a b", "", "project = SHOP"]
        ),
        st.just(document("a")),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=12,
)
QUERIES = st.dictionaries(
    st.sampled_from(
        ["startAt", "maxResults", "fields", "expand", "properties", "jql", "nextPageToken", "orderBy", "keys"]
    ),
    st.text(max_size=6) | st.sampled_from(["1", "*all", "-comment", "project = SHOP", "changelog,names", "bnVsbA=="]),
    max_size=3,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([(method, path) for method, path, _ in ROUTES]), VALUES, QUERIES, st.booleans())
def test_always_answers(asked: tuple[str, str], body: object, query: dict[str, str], whole: bool) -> None:
    """Whatever JSON and whatever query come, the answer is Jira's own, and a refusal changes nothing."""
    upstream = sandbox()
    make(upstream, labels=["a"])
    method, path = asked
    before = dict(upstream.effects)
    sent = body if method in {"POST", "PUT"} else None
    if whole and isinstance(body, dict):
        new = {"project": {"key": "SHOP"}, "issuetype": {"name": "Task"}, "summary": "a"}
        sent = (
            {"fields": new | body, "update": {"labels": [{"add": "b"}]}, "transition": {"id": "21"}} if sent else None
        )
    said = ask(upstream, method, f"{path.replace('{}', 'SHOP-1')}?{urlencode(query)}", sent)
    assert 200 <= said.status < 500
    if said.status >= 400 and path != "issue/bulk":
        assert set(said.body) == {"errorMessages", "errors"}
        assert upstream.effects == before
