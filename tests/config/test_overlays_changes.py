"""The bundled overlays at work: which objects a call names, and who asked for what has changed."""

from __future__ import annotations

from typing import Any

import pytest

from breakers.touching import key_of, named, object_id
from proxy.diff import patch
from proxy.ledger.document import LeftOut
from proxy.paths import foreseen, sort_paths
from tests.breakers.test_bundled import CATALOGS, asked

NAMED: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("stripe", "customers.retrieve", {"customer": "cus_1"}, [("customer", "cus_1")]),
    ("stripe", "customers.update", {"customer": "cus_1", "name": "Ada"}, [("customer", "cus_1")]),
    ("stripe", "customers.create", {"name": "Ada"}, []),
    ("stripe", "refunds.create", {"charge": "ch_1", "amount": 5}, [("charge", "ch_1")]),
    ("stripe", "refunds.create", {"payment_intent": "pi_1"}, [("payment_intent", "pi_1")]),
    ("stripe", "subscriptions.resume", {"subscription": "sub_1"}, [("subscription", "sub_1")]),
    ("stripe", "invoice_items.create", {"customer": "cus_1", "invoice": "in_1"}, [("invoice", "in_1")]),
    ("stripe", "transfers.reversals.create", {"id": "tr_1"}, [("transfer", "tr_1")]),
    ("github", "issues/get", {"owner": "a", "repo": "b", "issue_number": 7}, [("issue", "a/b/7")]),
    ("github", "issues/create-comment", {"owner": "a", "repo": "b", "issue_number": 7}, [("issue", "a/b/7")]),
    ("github", "git/create-ref", {"owner": "a", "repo": "b", "ref": "refs/heads/x"}, [("ref", "a/b/heads/x")]),
    ("github", "git/create-ref", {"owner": "a", "repo": "b", "ref": "heads/x"}, []),
    ("github", "git/delete-ref", {"owner": "a", "repo": "b", "ref": "heads/x"}, [("ref", "a/b/heads/x")]),
    (
        "github",
        "repos/create-or-update-file-contents",
        {"owner": "a", "repo": "b", "path": "docs/c.md", "branch": "x"},
        [("file", "a/b/docs/c.md/x")],
    ),
    ("github", "repos/delete-file", {"owner": "a", "repo": "b", "path": "c.md"}, [("file", "a/b/c.md")]),
    ("github", "repos/create-commit-status", {"owner": "a", "repo": "b", "sha": "1f"}, [("commit_status", "a/b/1f")]),
    ("github", "repos/merge", {"owner": "a", "repo": "b", "base": "main", "head": "x"}, [("branch", "a/b/main")]),
    ("jira", "editIssue", {"issueIdOrKey": "SUP-1"}, [("issue", "SUP-1")]),
    ("jira", "deleteComment", {"issueIdOrKey": "SUP-1", "id": "9"}, [("comment", "SUP-1/9"), ("issue", "SUP-1")]),
    ("jira", "addAttachment", {"issueIdOrKey": "SUP-1"}, [("issue", "SUP-1")]),
    ("jira", "linkIssues", {"inwardIssue": {"key": "SUP-1"}}, []),
]


@pytest.mark.parametrize(("api", "name", "arguments", "objects"), NAMED)
def test_objects_named(api: str, name: str, arguments: dict[str, Any], objects: list[tuple[str, str]]) -> None:
    """A call names the objects that it would touch or show by what stands in it, none that only its answer knows."""
    assert list(named(asked(api, name, **arguments).operation)) == objects


ANSWERED: list[tuple[str, str, dict[str, Any], Any, list[tuple[str, str]]]] = [
    ("stripe", "refunds.create", {"charge": "ch_1"}, {"id": "re_1"}, [("refund", "re_1"), ("charge", "ch_1")]),
    (
        "stripe",
        "payment_intents.create",
        {"confirm": True},
        {"id": "pi_1", "latest_charge": "ch_1"},
        [("payment_intent", "pi_1"), ("charge", "ch_1")],
    ),
    ("stripe", "payment_intents.create", {}, {"id": "pi_1", "latest_charge": None}, [("payment_intent", "pi_1")]),
    ("github", "issues/create", {"owner": "a", "repo": "b"}, {"id": 1, "number": 7}, [("issue", "a/b/7")]),
    (
        "github",
        "actions/create-workflow-dispatch",
        {"owner": "a", "repo": "b"},
        {"workflow_run_id": 5},
        [("workflow_run", "a/b/5")],
    ),
    ("github", "actions/create-workflow-dispatch", {"owner": "a", "repo": "b"}, None, []),
    ("github", "repos/create-in-org", {}, {"name": "b", "owner": {"login": "a"}}, [("repository", "a/b")]),
    ("jira", "createIssue", {}, {"id": "10001", "key": "SUP-1"}, [("issue", "SUP-1")]),
    ("jira", "addComment", {"issueIdOrKey": "SUP-1"}, {"id": "9"}, [("comment", "SUP-1/9"), ("issue", "SUP-1")]),
    ("jira", "addAttachment", {"issueIdOrKey": "SUP-1"}, [{"id": "4"}], [("attachment", "4"), ("issue", "SUP-1")]),
]


@pytest.mark.parametrize(("api", "name", "arguments", "answer", "objects"), ANSWERED)
def test_objects_answered(
    api: str, name: str, arguments: dict[str, Any], answer: Any, objects: list[tuple[str, str]]
) -> None:
    """What a write makes is known from its answer, and what the answer does not name is not touched."""
    operation = asked(api, name, **arguments).operation
    keys = [(touch.object, key_of(touch, operation, answer)) for touch in operation.spec.touches]
    assert [(spec.type, object_id(spec, key)) for spec, key in keys if key is not None] == objects


ISSUE = {"owner": "a", "repo": "b", "issue_number": 7}
# The call, its objects before and after, and what of the difference was asked for, goes without saying, or is news.
CHANGES: list[tuple[str, str, dict[str, Any], Any, Any, dict[str, set[str]]]] = [
    (
        "stripe",
        "refunds.create",
        {"charge": "ch_1", "amount": 5, "expand": ["charge"]},
        {"refund": None, "charge": {"amount_refunded": 0, "refunded": False, "status": "succeeded"}},
        {"refund": {"amount": 5, "charge": "ch_1"}, "charge": {"amount_refunded": 5, "refunded": True, "status": "x"}},
        {
            "requested": {"/refund"},
            "expected": {"/charge/amount_refunded", "/charge/refunded"},
            "unexpected": {"/charge/status"},
        },
    ),
    (
        "stripe",
        "subscriptions.update",
        {"subscription_exposed_id": "sub_1", "cancel_at_period_end": True, "proration_behavior": "none"},
        {"subscription": {"cancel_at_period_end": False, "cancel_at": None, "status": "active"}},
        {"subscription": {"cancel_at_period_end": True, "cancel_at": 9, "status": "past_due"}},
        {
            "requested": {"/subscription/cancel_at_period_end"},
            "expected": {"/subscription/cancel_at"},
            "unexpected": {"/subscription/status"},
        },
    ),
    (
        "stripe",
        "invoices.finalize_invoice",
        {"invoice": "in_1"},
        {"invoice": {"status": "draft", "number": None, "total": 5, "customer": "cus_1"}},
        {"invoice": {"status": "open", "number": "A-1", "total": 6, "customer": "cus_2"}},
        {"expected": {"/invoice/status", "/invoice/number", "/invoice/total"}, "unexpected": {"/invoice/customer"}},
    ),
    (
        "stripe",
        "customers.update",
        {"customer": "cus_1", "metadata": {"tier": "gold"}},
        {"customer": {"metadata": {"tier": "tin"}, "balance": 0}},
        {"customer": {"metadata": {"tier": "gold"}, "balance": -5}},
        {"requested": {"/customer/metadata/tier"}, "unexpected": {"/customer/balance"}},
    ),
    (
        "stripe",
        "customers.create",
        {"email": "ada@pets.example", "payment_method": "pm_1"},
        {"customer": None},
        {"customer": {"email": "ada@pets.example"}},
        {"requested": {"/customer"}, "unseen": {"/customer/payment_method"}},
    ),
    (
        "github",
        "issues/update",
        {**ISSUE, "state": "closed", "labels": ["bug"]},
        {"issue": {"state": "open", "closed_at": None, "labels": [], "title": "Old", "updated_at": 1}},
        {"issue": {"state": "closed", "closed_at": 2, "labels": [{"name": "bug"}], "title": "New", "updated_at": 2}},
        {
            "requested": {"/issue/state", "/issue/labels"},
            "expected": {"/issue/closed_at", "/issue/updated_at"},
            "unexpected": {"/issue/title"},
        },
    ),
    (
        "github",
        "issues/create-comment",
        {**ISSUE, "body": "Done"},
        {"comment": None, "issue": {"comments": 1, "updated_at": 1, "state": "open"}},
        {"comment": {"body": "Done"}, "issue": {"comments": 2, "updated_at": 2, "state": "closed"}},
        {
            "requested": {"/comment"},
            "expected": {"/issue/comments", "/issue/updated_at"},
            "unexpected": {"/issue/state"},
        },
    ),
    (
        "github",
        "issues/add-labels",
        {**ISSUE, "": ["bug"]},
        {"issue": {"labels": [], "locked": False}},
        {"issue": {"labels": [{"name": "bug"}], "locked": True}},
        {"requested": {"/issue/labels"}, "unexpected": {"/issue/locked"}},
    ),
    (
        "github",
        "repos/create-or-update-file-contents",
        {"owner": "a", "repo": "b", "path": "c.md", "message": "Write", "content": "Mg==", "sha": "1", "branch": "x"},
        {"file": {"content": "MQ==\n", "sha": "1", "size": 1, "type": "file"}},
        {"file": {"content": "Mg==\n", "sha": "2", "size": 1, "type": "symlink"}},
        {"requested": {"/file/content"}, "expected": {"/file/sha"}, "unexpected": {"/file/type"}},
    ),
    (
        "github",
        "pulls/merge",
        {"owner": "a", "repo": "b", "pull_number": 7, "merge_method": "squash", "sha": "1f"},
        {"pull_request": {"state": "open", "merged": False, "base": {"ref": "main"}}},
        {"pull_request": {"state": "closed", "merged": True, "base": {"ref": "release"}}},
        {"expected": {"/pull_request/state", "/pull_request/merged"}, "unexpected": {"/pull_request/base/ref"}},
    ),
    (
        "github",
        "git/update-ref",
        {"owner": "a", "repo": "b", "ref": "heads/x", "sha": "2", "force": True},
        {"ref": {"ref": "refs/heads/x", "object": {"sha": "1", "url": "u1"}}},
        {"ref": {"ref": "refs/heads/x", "object": {"sha": "2", "url": "u2"}}},
        {"requested": {"/ref/object/sha"}, "expected": {"/ref/object/url"}},
    ),
    (
        "jira",
        "editIssue",
        {"issueIdOrKey": "SUP-1", "fields": {"summary": "New"}, "update": {"labels": [{"add": "x"}]}},
        {"issue": {"fields": {"summary": "Old", "labels": [], "updated": 1, "duedate": None}}},
        {"issue": {"fields": {"summary": "New", "labels": ["x"], "updated": 2, "duedate": 3}}},
        {
            "requested": {"/issue/fields/summary", "/issue/fields/labels"},
            "expected": {"/issue/fields/updated"},
            "unexpected": {"/issue/fields/duedate"},
        },
    ),
    (
        "jira",
        "doTransition",
        {"issueIdOrKey": "SUP-1", "transition": {"id": "31"}},
        {"issue": {"fields": {"status": {"id": "1", "name": "Open"}, "resolution": None, "priority": {"name": "Low"}}}},
        {"issue": {"fields": {"status": {"id": "2", "name": "Done"}, "resolution": 1, "priority": {"name": "High"}}}},
        {
            "requested": {"/issue/fields/status/id"},
            "expected": {"/issue/fields/status/name", "/issue/fields/resolution"},
            "unexpected": {"/issue/fields/priority/name"},
        },
    ),
    (
        "jira",
        "assignIssue",
        {"issueIdOrKey": "SUP-1", "accountId": "5b"},
        {"issue": {"fields": {"assignee": None, "reporter": {"accountId": "5a"}}}},
        {"issue": {"fields": {"assignee": {"accountId": "5b"}, "reporter": {"accountId": "5b"}}}},
        {"requested": {"/issue/fields/assignee"}, "unexpected": {"/issue/fields/reporter/accountId"}},
    ),
    (
        "jira",
        "deleteComment",
        {"issueIdOrKey": "SUP-1", "id": "9"},
        {"comment": {"body": "x"}, "issue": {"fields": {"comment": {"total": 1}, "summary": "Old"}}},
        {"comment": None, "issue": {"fields": {"comment": {"total": 0}, "summary": "New"}}},
        {
            "requested": {"/comment"},
            "expected": {"/issue/fields/comment/total"},
            "unexpected": {"/issue/fields/summary"},
        },
    ),
]


@pytest.mark.parametrize(
    ("api", "name", "arguments", "before", "after", "sorted_"),
    CHANGES,
    ids=[f"{case[0]}:{case[1]}" for case in CHANGES],
)
def test_changes_sorted(
    api: str, name: str, arguments: dict[str, Any], before: Any, after: Any, sorted_: dict[str, set[str]]
) -> None:
    """A change is requested where the call says so, expected where the overlay does, and otherwise news."""
    paths = sort_paths(patch(before, after), foreseen(asked(api, name, **arguments).operation), after)
    found = {kind: set(getattr(paths, kind)) for kind in ("requested", "expected", "unexpected", "unseen")}
    assert {kind: held for kind, held in found.items() if held} == sorted_


SECRETS: list[tuple[str, str, Any, Any]] = [
    ("stripe", "webhook_endpoints.create", {"id": "we_1", "secret": "upstream-canary"}, {"id": "we_1"}),
    ("stripe", "setup_intents.create", {"id": "s", "client_secret": "upstream-canary"}, {"id": "s"}),
    (
        "stripe",
        "customers.payment_sources.create",
        {"source": {"number": "upstream-canary", "exp_year": 30}},
        {"source": {"exp_year": 30}},
    ),
    (
        "github",
        "actions/create-or-update-repo-secret",
        {"encrypted_value": "upstream-canary", "key_id": "1"},
        {"key_id": "1"},
    ),
    (
        "github",
        "repos/create-webhook",
        {"config": {"url": "u", "secret": "upstream-canary"}},
        {"config": {"url": "u"}},
    ),
    ("github", "repos/update-webhook-config-for-repo", {"secret": "upstream-canary", "url": "u"}, {"url": "u"}),
    ("github", "repos/get-content", {"sha": "1", "download_url": "upstream-canary"}, {"sha": "1"}),
    ("github", "repos/get", {"name": "b", "temp_clone_token": "upstream-canary"}, {"name": "b"}),
    ("github", "apps/create-installation-access-token", {"token": "upstream-canary"}, {}),
    ("github", "apps/reset-token", {"access_token": "upstream-canary"}, {}),
    ("github", "secret-scanning/get-alert", {"number": 1, "secret": "upstream-canary"}, {"number": 1}),
    ("jira", "createUser", {"emailAddress": "e", "password": "upstream-canary"}, {"emailAddress": "e"}),
]


@pytest.mark.parametrize(("api", "name", "document", "kept"), SECRETS)
def test_secrets_left_out(api: str, name: str, document: Any, kept: Any) -> None:
    """What only its owner may know is left out of what is stored, and what stands beside it is not."""
    assert LeftOut(CATALOGS[api].operations[name].never_store).value(document) == kept
