from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from loadtest.installation import agent
from tests.canary.forms import secret
from tests.clients.bench import PLAYS, Api, Bench, account, bench
from tests.clients.compare import Rules
from tests.clients.upstreams import emulate_ends, github_ends

SECRET = secret("hub")

GITHUB = Api(
    # emulate hashes commits with their moment, and its clock ticks with every request.
    rules=Rules(
        ("sha", "merge_commit_sha"),
        ("closed_at", "created_at", "date", "merged_at", "published_at", "pushed_at", "submitted_at", "updated_at"),
    ),
    origins=("https://api.github.com", "https://uploads.github.com"),
    objectless=frozenset({"actions/create-workflow-dispatch"}),
    bases=("", ".uploads"),
)

# Names of an operator's own, which differ in their first part only.
NAMED = account("sandbox", PLAYS - 1)
HOSTS = {"api.hub.localhost": NAMED, "uploads.hub.localhost": f"{NAMED}.uploads"}

# All that the scripts do, and nothing else: `repos/delete` is what is refused.
ALLOWED: dict[str, object] = {
    "actions/create-workflow-dispatch": {},
    "actions/get-workflow": {},
    "git/*": {},
    "issues/*": {},
    "pulls/*": {},
    "repos/*": {},
    "users/get-authenticated": {},
}


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """
    Run both GitHubs twice, and Breakwater in front of one of each.
    """
    folder = tmp_path_factory.mktemp("hub")
    with ExitStack() as stack:
        ends = {
            "sandbox": stack.enter_context(github_ends(SECRET)),
            "emulate": stack.enter_context(emulate_ends(SECRET, folder / "emulate")),
        }
        configured = {"catalog": "github", "credential": {"env": "UPSTREAM_SECRET"}}
        card = agent(ALLOWED, deny=["repos/delete"], loops=False)
        yield stack.enter_context(bench(folder, GITHUB, ends, configured, card, hosts=HOSTS))
