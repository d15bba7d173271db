"""The bundled overlays: what agents really do is curated, each operation whole, and no two words of one contradict."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from config.catalog import WHOLE_BODY, After, Before, Effect, Kind, Place, Reversibility, Source, Undo
from config.faults import CatalogFault
from config.tables import BUNDLED, compile_catalog, load_catalog
from proxy.cli.curated import described
from proxy.cli.curated import said as told
from tests.config.agents_do import AGENTS_DO

CATALOGS = {name: load_catalog(name, Path()) for name in BUNDLED}
WRITES = {
    name: {spec.name: spec for spec in catalog.operations.values() if spec.curated and spec.effect is not Effect.READ}
    for name, catalog in CATALOGS.items()
}
SPECS = [spec for specs in WRITES.values() for spec in specs.values()]

# Curated for the shape of their bodies, which clients send and the description leaves out.
SHAPE_ONLY = {"github": {"users/add-email-for-authenticated-user", "users/delete-email-for-authenticated-user"}}

# Writes without an object, and why: whoever adds one says it here.
NO_OBJECT = {
    "codespaces/set-codespaces-access-users": "no read shows who uses codespaces on the organisation's bill",
    "repos/create-dispatch-event": "it answers with nothing, and what listens to it is not known",
    "createIssues": "it makes several objects of one type",
    "linkIssues": "it answers with nothing, and names its issues inside its arguments",
}


@pytest.mark.parametrize("api", BUNDLED)
def test_what_agents_do(api: str) -> None:
    """The table of what agents do names every curated write, and nothing that is not curated."""
    listed = AGENTS_DO[api].split()
    assert len(listed) == len(set(listed))
    assert set(listed) == set(WRITES[api]) - SHAPE_ONLY.get(api, set())


def test_curated_whole() -> None:
    """Every one of them has its objects, or a reason why none, and says whether it can be taken back."""
    for api, specs in WRITES.items():
        listed = [spec for spec in specs.values() if spec.name not in SHAPE_ONLY.get(api, ())]
        assert [spec.name for spec in listed if spec.reversibility is Reversibility.UNKNOWN] == []
        assert {spec.name for spec in listed if not spec.touches} == NO_OBJECT.keys() & specs.keys()


READ_POSTS = {
    "github": {"markdown/render", "markdown/render-raw"},
    "jira": {
        "analyseExpression",
        "bulkFetchIssues",
        "countIssues",
        "evaluateJSISJiraExpression",
        "evaluateJiraExpression",
        "getAutoCompletePost",
        "getBulkPermissions",
        "getCommentsByIds",
        "getIsWatchingIssueBulk",
        "getPermittedProjects",
        "getPrecomputationsByID",
        "getWorklogsForIds",
        "matchIssues",
        "migrateQueries",
        "parseJqlQueries",
        "searchAndReconsileIssuesUsingJqlPost",
        "searchForIssuesUsingJqlPost",
    },
    "stripe": {"invoices.create_preview"},
}
GRAVE = {
    "github": {
        "actions/approve-workflow-run",
        "actions/create-or-update-environment-secret",
        "actions/create-or-update-org-secret",
        "actions/create-or-update-repo-secret",
        "actions/create-workflow-dispatch",
        "actions/re-run-job-for-workflow-run",
        "actions/re-run-workflow",
        "actions/re-run-workflow-failed-jobs",
        "pulls/dismiss-review",
        "repos/create-deployment",
        "repos/create-dispatch-event",
        "repos/transfer",
    },
    "jira": {"deleteAndReplaceVersion", "deleteProjectAsynchronously", "mergeVersions"},
    "stripe": {
        "application_fees.refunds.create",
        "credit_notes.create",
        "credit_notes.void_credit_note",
        "customers.payment_sources.verify",
        "disputes.close",
        "disputes.update",
        "files.create",
        "invoices.mark_uncollectible",
        "invoices.send_invoice",
        "invoices.void_invoice",
        "payment_intents.cancel",
        "payment_methods.detach",
        "payouts.create",
        "payouts.reverse",
        "quotes.accept",
        "refunds.create",
        "setup_intents.cancel",
        "subscription_schedules.cancel",
        "subscriptions.migrate",
    },
}
LIGHT = {
    "github": {
        "issues/remove-all-labels",
        "issues/remove-assignees",
        "issues/remove-label",
        "issues/remove-sub-issue",
        "issues/unlock",
        "pulls/remove-requested-reviewers",
        "reactions/delete-for-issue",
        "reactions/delete-for-issue-comment",
        "repos/delete-file",
        "repos/remove-status-check-contexts",
        "repos/remove-team-access-restrictions",
        "repos/remove-user-access-restrictions",
    },
    "jira": {"removeVote", "removeWatcher"},
    "stripe": set(),
}


@pytest.mark.parametrize("api", BUNDLED)
def test_effects(api: str) -> None:
    """Effects follow the method, but for POSTs that read, writes that nothing takes back, and DELETEs of a mark."""
    by_method = {"GET": Effect.READ, "DELETE": Effect.IRREVERSIBLE}
    differing = {
        spec.name: spec.effect
        for spec in CATALOGS[api].operations.values()
        if spec.effect is not by_method.get(spec.method, Effect.WRITE)
    }
    assert differing == {
        **dict.fromkeys(READ_POSTS[api], Effect.READ),
        **dict.fromkeys(GRAVE[api], Effect.IRREVERSIBLE),
        **dict.fromkeys(LIGHT[api], Effect.WRITE),
    }


def test_no_contradiction() -> None:
    """What can be reversed is no irreversible effect, and what cannot is one; only a DELETE may be compensated."""
    for spec in SPECS:
        grave = spec.effect is Effect.IRREVERSIBLE
        if spec.method == "DELETE":
            assert not (grave and spec.reversibility is Reversibility.REVERSIBLE), spec.name
        else:
            assert grave is (spec.reversibility is Reversibility.IRREVERSIBLE), spec.name


def test_undo_named() -> None:
    """Every curated write that is not irreversible names how it is undone, if only that a person has to and why."""
    for api, specs in WRITES.items():
        answered = {spec.name for spec in specs.values() if spec.undo is not None}
        owing = {spec.name for spec in specs.values() if spec.reversibility is not Reversibility.IRREVERSIBLE}
        assert owing, api
        assert sorted(owing - answered) == [], api
        assert [spec.name for spec in specs.values() if spec.undo == Undo(person=True) and not spec.note.strip()] == []


def test_undo_refused() -> None:
    """An undo left to a person is told apart from the others, and is a fault that asks for a reason without one."""
    row = {"name": "pets.sell", "method": "POST", "path": "/sell", "effect": "write", "arguments": {}}
    table = json.dumps({"name": "pets", "operations": [row]})
    said = "operations: {pets.sell: {undo: person, note: '%s'}}"
    with pytest.raises(CatalogFault, match="`undo: person` needs its reason") as fault:
        compile_catalog(table.encode(), (said % " ").encode(), "pets.overlay.yaml")
    assert "`note`" in fault.value.hint
    catalog = compile_catalog(table.encode(), (said % "ask the buyer").encode(), "pets.overlay.yaml")
    sold = catalog.operations["pets.sell"]
    assert sold.undo == Undo(person=True) != Undo()
    assert dict(told(sold, ()))["undo"] == "only by a person"
    assert described(sold)["undo"] == "person"


def test_whole_body_undone() -> None:
    """Who was made to watch by a body that is no object is named by it, and the other way round."""
    added, removed = WRITES["jira"]["addWatcher"].undo, WRITES["jira"]["removeWatcher"].undo
    assert added is not None
    assert removed is not None
    assert ("accountId", Source(Place.BODY, WHOLE_BODY)) in added.arguments
    assert (WHOLE_BODY, Source(Place.QUERY, "accountId")) in removed.arguments


def test_inverse_possible() -> None:
    """What is undone by its own inverse is reversible, is seen before and after, and has fields to set back."""
    for spec in SPECS:
        if spec.undo == Undo():
            assert spec.reversibility is Reversibility.REVERSIBLE, spec.name
            assert spec.touches[0].before is not Before.NONE, spec.name
            assert spec.touches[0].after is not After.GONE, spec.name
            assert any(place is Place.BODY for place, _ in spec.arguments), spec.name


def test_images_possible() -> None:
    """What a DELETE is about is seen before it, and only what a write is about goes with it."""
    deletes = [spec for spec in SPECS if spec.method == "DELETE" and spec.touches]
    assert [spec.name for spec in deletes if spec.touches[0].before is Before.NONE] == []
    beside = [(spec.name, touch.after) for spec in SPECS for touch in spec.touches[1:]]
    assert [name for name, after in beside if after is After.GONE] == []


def test_answers_trusted() -> None:
    """No answer of Jira's is taken for the object, and none of Stripe's that has something expanded in it."""
    assert {touch.after for spec in WRITES["jira"].values() for touch in spec.touches} == {After.READ, After.GONE}
    for spec in WRITES["stripe"].values():
        expands = any(name == "expand" for _, name in spec.arguments)
        assert {touch.shaped_by for touch in spec.touches} == {("expand",) if expands else ()}


# What these answer with is another object, or less than the whole of it.
ANSWERS_WITH_ANOTHER = {
    "stripe": ["customers.delete_discount", "payouts.reverse", "subscriptions.delete_discount"],
    "github": ["issues/add-labels", "issues/remove-label", "pulls/merge", "pulls/request-reviewers", "repos/merge"],
}


def test_answers_not_trusted() -> None:
    """An answer that is not the object that the write is about is not taken for it."""
    for api, names in ANSWERS_WITH_ANOTHER.items():
        assert {name: WRITES[api][name].touches[0].after for name in names} == dict.fromkeys(names, After.READ)


# Creations of which a second one fails, or is the first: no repeat makes a second effect.
MADE_ONCE = {
    "createComponent",
    "createProject",
    "createVersion",
    "git/create-blob",
    "git/create-commit",
    "git/create-tag",
    "git/create-tree",
    "issues/create-milestone",
    "pulls/create",
    "repos/create-deploy-key",
    "repos/create-for-authenticated-user",
    "repos/create-fork",
    "repos/create-in-org",
    "repos/create-release",
    "repos/create-repo-ruleset",
    "repos/upload-release-asset",
}
# A file is no argument, so nothing tells two of them apart.
NOTHING_TO_TELL = {"addAttachment", "files.create"}
# Amounts that a second request states again, instead of moving them again.
STATED_AGAIN = {"payment_intents.confirm", "payment_intents.update"}


def test_effect_keys() -> None:
    """Whatever a repeat would make or move a second time has an effect key, and what is only set has none."""
    makes = {spec.name for spec in SPECS if spec.touches and spec.touches[0].before is Before.NONE}
    moves = {spec.name for spec in SPECS if spec.amount}
    keyed = {spec.name for spec in SPECS if spec.effect_key}
    assert (makes | moves) - keyed == MADE_ONCE | NOTHING_TO_TELL | STATED_AGAIN
    assert [spec.name for spec in SPECS if spec.effect_key and (spec.method != "POST" or spec.undo == Undo())] == []


def test_effect_keys_apart() -> None:
    """No two operations of an API have the same effect key, and each begins with a word for its effect."""
    for specs in WRITES.values():
        keys = [spec.effect_key for spec in specs.values() if spec.effect_key]
        assert len(keys) == len(set(keys))
        assert all(re.match(r"[a-z-]+:\{", key) for key in keys)


MONEY = [
    ("application_fees.refunds.create", "amount", None, {"id": "application_fees.retrieve"}),
    ("charges.capture", "amount", None, {"charge": "charges.retrieve"}),
    ("charges.create", "amount", "currency", {}),
    ("checkout.sessions.create", "line_items", None, {}),
    ("credit_notes.create", "amount", None, {"invoice": "invoices.retrieve"}),
    ("customers.balance_transactions.create", "amount", "currency", {}),
    ("invoices.pay", "", None, {"invoice": "invoices.retrieve"}),
    ("payment_intents.apply_customer_balance", "amount", None, {"intent": "payment_intents.retrieve"}),
    ("payment_intents.capture", "amount_to_capture", None, {"intent": "payment_intents.retrieve"}),
    ("payment_intents.confirm", "amount_to_confirm", None, {"intent": "payment_intents.retrieve"}),
    ("payment_intents.create", "amount", "currency", {}),
    ("payment_intents.increment_authorization", "amount", None, {"intent": "payment_intents.retrieve"}),
    ("payment_intents.update", "amount", "currency", {"intent": "payment_intents.retrieve"}),
    ("payouts.create", "amount", "currency", {}),
    ("payouts.reverse", "", None, {"payout": "payouts.retrieve"}),
    ("refunds.create", "amount", None, {"charge": "charges.retrieve", "payment_intent": "payment_intents.retrieve"}),
    ("topups.create", "amount", "currency", {}),
    ("transfers.create", "amount", "currency", {"source_transaction": "charges.retrieve"}),
    ("transfers.reversals.create", "amount", None, {"id": "transfers.retrieve"}),
]


def test_stripe_money() -> None:
    """Every Stripe operation that is curated to move money says by which argument and which subject."""
    found = [
        (spec.name, spec.amount.argument, spec.amount.currency, {s.by: s.operation for s in spec.subjects})
        for spec in CATALOGS["stripe"].operations.values()
        if spec.amount
    ]
    assert found == MONEY


# Arguments that name an amount of which nothing here could say what it bounds; no limit in money reads them.
NO_AMOUNT = {
    "invoice_items.create": "a quantity or a price stands beside it, and tax comes on top",
    "invoice_items.update": "a quantity or a price stands beside it, and tax comes on top",
    "invoices.line_items.update": "a quantity or a price stands beside it, and tax comes on top",
    "plans.create": "a price moves nothing",
    "sources.create": "what a customer may push is no movement of ours",
    "sources.update": "what a customer may push is no movement of ours",
}
NOT_CURATED = ("climate.", "issuing.", "terminal.", "test_helpers.", "three_d_secure.", "treasury.", "v2.")


def test_no_amount_forgotten() -> None:
    """A Stripe write with a whole amount among its arguments is curated to move it, or there is a reason why not."""
    stripe = CATALOGS["stripe"].operations.values()
    stated = {
        spec.name
        for spec in stripe
        if spec.effect is not Effect.READ
        and not spec.name.startswith(NOT_CURATED)
        and (argument := spec.arguments.get((Place.BODY, "amount"))) is not None
        and argument.kind is Kind.INTEGER
    }
    assert stated - {spec.name for spec in stripe if spec.amount} == set(NO_AMOUNT)


@pytest.mark.parametrize("name", ["invoices.create", "subscriptions.create", "invoice_items.create", "quotes.accept"])
def test_sums_elsewhere(name: str) -> None:
    """What moves a sum that nothing states has no amount, so that no limit is thought to bound it."""
    assert WRITES["stripe"][name].amount is None


@pytest.mark.parametrize("name", ["invoices.pay", "payouts.reverse"])
def test_sums_of_subjects(name: str) -> None:
    """What moves a sum that no argument states, and its subject does, has no argument that a limit could name."""
    spec = WRITES["stripe"][name]
    assert spec.amount is not None
    assert spec.amount.argument == ""
    assert [subject.bound != () for subject in spec.subjects] == [True]
