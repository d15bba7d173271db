"""Every operation of the Stripe and GitHub sandboxes, its answers held against the vendor's own document."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from loadtest.upstreams.github.routes import IN_REPO, ROUTES
from loadtest.upstreams.stripe import StripeSandbox
from loadtest.upstreams.stripe.account import Dispute, Invoice
from loadtest.upstreams.stripe.routes import ROUTES as STRIPE_ROUTES
from tests.loadtest.github_plain import REPO, ask, branch, file, sandbox
from tests.loadtest.plain import SECRET, WAIT_S
from tests.loadtest.shapes import Shapes


class Walk:
    """
    A walk through a sandbox: each answer is held against the table, each operation noted.
    """

    def __init__(self, shapes: Shapes, send: Callable[..., tuple[int, bytes]]) -> None:
        self.shapes = shapes
        self._send = send
        self.faults: list[str] = []
        self.walked: set[str] = set()

    def __call__(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """
        Make one request, which must be answered with that status.
        """
        answered, raw = self._send(method, path, body)
        if answered != status:
            self.faults.append(f"{method} {path}: {answered} {raw!r}")
        self.faults += self.shapes.faults(method, path, answered, raw)
        operation = self.shapes.operation(method, path)
        if operation is not None and status < 300:
            self.walked.add(operation.name)
        return json.loads(raw) if raw else None

    def left(self) -> set[str]:
        """
        Return the operations of the table that were not walked.
        """
        return {operation.name for operation in self.shapes.operations} - self.walked


# --------------------------------------------------------------------------------------------------------------- GitHub

# What GitHub answers and its document does not have: the list of references from before `matching-refs`.
GITHUB_UNDOCUMENTED = {("GET", "/git/refs"), ("GET", "/git/refs/{+}")}


def test_github() -> None:
    """Every operation of the GitHub sandbox answers what GitHub's document says, done or refused."""
    upstream = sandbox(repos=("ada/engine", "looms/site"))

    def send(method: str, path: str, body: object) -> tuple[int, bytes]:
        said = ask(upstream, method, path, body)
        return said.status, said.raw

    walk = Walk(Shapes.of("github"), send)
    upstream.world.teams["looms", "weavers"] = [upstream.world.person("grace")]
    for path in ("/user", "/users/grace", "/orgs/looms", "/orgs/looms/teams/weavers/members", REPO, "/rate_limit"):
        walk("GET", path)
    github_issues(walk)
    github_labels(walk)
    branch(upstream, "f", "new.txt", "1")
    branch(upstream, "g", "new.txt", "2")
    github_git(walk)
    github_pulls(walk)
    github_releases(walk)
    upstream.rename("ada/engine", "motor")
    walk("GET", REPO, status=301)
    walk("GET", f"{REPO}/issues", status=301)
    assert (walk.faults, walk.left()) == ([], set())


def test_github_routes() -> None:
    """The table of GitHub's document has every route of the sandbox, but for those that are older than it."""
    shapes = Shapes.of("github")
    routes = [*ROUTES, *((method, REPO + path, handler) for method, path, handler in IN_REPO)]
    found = {
        (method, path.removeprefix(REPO))
        for method, path, _ in routes
        if shapes.operation(method, path.replace("{+}", "x").replace("{i}", "1").replace("{}", "1")) is None
    }
    assert found == GITHUB_UNDOCUMENTED


def github_issues(walk: Walk) -> None:
    made = {"title": "Leak", "body": "wet", "labels": ["bug"], "assignees": ["grace"]}
    walk("POST", f"{REPO}/issues", made, status=201)
    walk("POST", f"{REPO}/issues", {"title": "Other"}, status=201)
    issue = f"{REPO}/issues/1"
    walk("GET", f"{REPO}/issues")
    walk("GET", issue)
    walk("PATCH", issue, {"state": "closed"})
    walk("POST", f"{issue}/assignees", {"assignees": ["ada"]}, status=201)
    walk("DELETE", f"{issue}/assignees", {"assignees": ["grace"]})
    comment = walk("POST", f"{issue}/comments", {"body": "drip"}, status=201)
    walk("GET", f"{issue}/comments")
    walk("GET", f"{REPO}/issues/comments")
    path = f"{REPO}/issues/comments/{comment['id']}"
    walk("GET", path)
    walk("PATCH", path, {"body": "drop"})
    walk("DELETE", path, status=204)
    walk("GET", path, status=404)
    walk("GET", f"{REPO}/issues/9", status=404)
    walk("POST", f"{REPO}/issues", {}, status=422)
    walk("PATCH", issue, {"state": "x"}, status=422)


def github_labels(walk: Walk) -> None:
    walk("POST", f"{REPO}/labels", {"name": "a", "color": "ff0000"}, status=201)
    walk("POST", f"{REPO}/labels", {"name": "a"}, status=422)
    walk("GET", f"{REPO}/labels")
    walk("GET", f"{REPO}/labels/a")
    walk("PATCH", f"{REPO}/labels/a", {"new_name": "b", "description": "c"})
    worn = f"{REPO}/issues/1/labels"
    walk("GET", worn)
    walk("POST", worn, ["b"])
    walk("DELETE", f"{worn}/b")
    walk("DELETE", f"{worn}/b", status=404)
    walk("PUT", worn, ["bug"])
    walk("DELETE", worn, status=204)
    walk("DELETE", f"{REPO}/labels/b", status=204)


def github_git(walk: Walk) -> None:
    path = f"{REPO}/contents/docs/a.txt"
    made = walk("PUT", path, file("a"), status=201)
    walk("PUT", path, file("b"), status=422)
    walk("PUT", path, file("b", sha="0" * 40), status=409)
    sha = walk("PUT", path, file("b", sha=made["content"]["sha"]))["content"]["sha"]
    walk("GET", path)
    walk("GET", f"{REPO}/commits?path=docs/a.txt")
    walk("GET", f"{REPO}/commits?sha=none", status=404)
    walk("GET", f"{REPO}/contents/")
    walk("DELETE", path, {"message": "m", "sha": "0" * 40}, status=409)
    walk("DELETE", path, {"message": "m", "sha": sha})
    walk("GET", path, status=404)
    first, last = made["commit"]["parents"][0]["sha"], made["commit"]["sha"]
    walk("POST", f"{REPO}/git/refs", {"ref": "refs/heads/h", "sha": first}, status=201)
    walk("POST", f"{REPO}/git/refs", {"ref": "refs/heads/h", "sha": first}, status=422)
    walk("GET", f"{REPO}/git/ref/heads/h")
    walk("GET", f"{REPO}/git/ref/heads/none", status=404)
    walk("GET", f"{REPO}/git/matching-refs/heads")
    walk("GET", f"{REPO}/branches")
    walk("GET", f"{REPO}/branches/h")
    walk("GET", f"{REPO}/branches/none", status=404)
    walk("PATCH", f"{REPO}/git/refs/heads/h", {"sha": last})
    walk("PATCH", f"{REPO}/git/refs/heads/h", {"sha": first}, status=422)
    walk("DELETE", f"{REPO}/git/refs/heads/h", status=204)


def github_pulls(walk: Walk) -> None:
    opened = {"title": "Fix", "head": "f", "base": "main"}
    pull = f"{REPO}/pulls/" + str(walk("POST", f"{REPO}/pulls", opened, status=201)["number"])
    other = f"{REPO}/pulls/" + str(walk("POST", f"{REPO}/pulls", opened | {"head": "g"}, status=201)["number"])
    walk("POST", f"{REPO}/pulls", opened, status=422)
    walk("GET", pull)
    walk("PATCH", pull, {"title": "Mend"})
    walk("GET", f"{REPO}/pulls")
    review = walk("POST", f"{pull}/reviews", {"event": "COMMENT", "body": "fine"})
    walk("POST", f"{pull}/reviews", {"event": "APPROVE"}, status=422)
    walk("GET", f"{pull}/reviews")
    walk("GET", f"{pull}/reviews/{review['id']}")
    walk("PUT", f"{pull}/merge", {"sha": "0" * 40}, status=409)
    walk("PUT", f"{pull}/merge")
    walk("GET", f"{pull}/merge", status=204)
    walk("PUT", f"{pull}/merge", status=405)
    walk("PUT", f"{other}/merge", status=405)
    walk("GET", pull)
    walk("GET", f"{REPO}/pulls/1", status=404)
    walk("GET", f"{REPO}/issues")


def github_releases(walk: Walk) -> None:
    made = walk("POST", f"{REPO}/releases", {"tag_name": "v1", "name": "One"}, status=201)
    walk("POST", f"{REPO}/releases", {"tag_name": "v1"}, status=422)
    release = f"{REPO}/releases/{made['id']}"
    asset = walk("POST", f"{release}/assets?name=a.bin", b"abc", status=201)
    walk("GET", f"{release}/assets")
    walk("GET", f"{REPO}/releases/assets/{asset['id']}")
    for path in (release, f"{REPO}/releases", f"{REPO}/releases/latest", f"{REPO}/releases/tags/v1"):
        walk("GET", path)
    walk("PATCH", release, {"body": "b"})
    walk("DELETE", f"{REPO}/releases/assets/{asset['id']}", status=204)
    walk("DELETE", release, status=204)
    walk("GET", f"{REPO}/releases/latest", status=404)
    walk("GET", f"{REPO}/actions/workflows/ci.yml")
    walk("POST", f"{REPO}/actions/workflows/ci.yml/dispatches", {"ref": "main"}, status=204)
    walk("POST", f"{REPO}/actions/workflows/ci.yml/dispatches", {"ref": "main", "return_run_details": True})


# --------------------------------------------------------------------------------------------------------------- Stripe

BOUNDARY = "boundary"


def test_stripe(upstream: StripeSandbox) -> None:
    """Every v1 operation of the Stripe sandbox answers what Stripe's document says, done or refused."""
    where = urlsplit(upstream.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=WAIT_S)

    def send(method: str, path: str, body: object) -> tuple[int, bytes]:
        if isinstance(body, bytes):
            data, kind = body, f"multipart/form-data; boundary={BOUNDARY}"
        else:
            fields = body if isinstance(body, dict) else {}
            data, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        connection.request(method, path, data, {"Authorization": f"Bearer {SECRET}", "Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()

    walk = Walk(Shapes.of("stripe"), send)
    try:
        customer = stripe_customers(walk)
        stripe_payments(walk, customer)
        stripe_billing(walk, upstream, customer)
        stripe_files(walk)
    finally:
        connection.close()
    assert (walk.faults, walk.left()) == ([], set())


def test_stripe_routes() -> None:
    """The table of Stripe's document has every v1 route of the sandbox; of v2 it has none."""
    shapes = Shapes.of("stripe")
    routes = [(method, "/".join(path)) for method, path in STRIPE_ROUTES]
    missing = {path for method, path in routes if shapes.operation(method, path.replace("{}", "x")) is None}
    assert {path.split("/")[1] for path in missing} == {"v2"}
    assert len(routes) - len(shapes.operations) == sum(path.startswith("/v2/") for _, path in routes)


def stripe_customers(walk: Walk) -> str:
    made = walk("POST", "/v1/customers", {"email": "ada@shop.test", "address[city]": "Bern", "metadata[a]": "b"})
    path = f"/v1/customers/{made['id']}"
    walk("GET", path)
    walk("POST", path, {"name": "Ada"})
    walk("GET", "/v1/customers")
    walk("GET", "/v1/customers/search?" + urlencode({"query": 'email:"ada@shop.test"'}))
    card = walk("POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": made["id"]})
    walk("GET", f"/v1/payment_methods/{card['id']}")
    gone = walk("POST", "/v1/customers")["id"]
    walk("DELETE", f"/v1/customers/{gone}")
    walk("GET", "/v1/customers/cus_none", status=404)
    walk("POST", "/v1/customers", {"nonsense": "1"}, status=400)
    return str(made["id"])


def stripe_payments(walk: Walk, customer: str) -> None:
    money = {"amount": "500", "currency": "usd", "customer": customer}
    paid = walk("POST", "/v1/payment_intents", money | {"payment_method": "pm_card_visa", "confirm": "true"})
    held = walk("POST", "/v1/payment_intents", money | {"capture_method": "manual", "payment_method": "pm_card_visa"})
    path = f"/v1/payment_intents/{held['id']}"
    walk("GET", path)
    walk("POST", path, {"description": "Tea"})
    walk("POST", f"{path}/confirm")
    walk("POST", f"{path}/capture")
    walk("POST", f"{path}/cancel", status=400)
    walk("POST", f"/v1/payment_intents/{walk('POST', '/v1/payment_intents', money)['id']}/cancel")
    walk("GET", "/v1/payment_intents")
    charge = walk("POST", "/v1/charges", {"amount": "500", "currency": "usd", "source": "tok_visa", "capture": "false"})
    path = f"/v1/charges/{charge['id']}"
    walk("GET", path)
    walk("POST", path, {"description": "Tea"})
    walk("POST", f"{path}/capture")
    walk("GET", "/v1/charges")
    declined = {"amount": "500", "currency": "usd", "source": "tok_chargeDeclined"}
    walk("POST", "/v1/charges", declined, status=402)
    refund = walk("POST", "/v1/refunds", {"charge": paid["latest_charge"], "amount": "100"})
    walk("GET", f"/v1/refunds/{refund['id']}")
    walk("POST", f"/v1/refunds/{refund['id']}", {"metadata[a]": "b"})
    walk("GET", "/v1/refunds")
    walk("GET", f"/v1/charges/{paid['latest_charge']}/refunds")
    walk("GET", f"/v1/charges/{paid['latest_charge']}?expand[]=customer&expand[]=payment_intent")


def stripe_billing(walk: Walk, upstream: StripeSandbox, customer: str) -> None:
    account = upstream.account
    account.add(Dispute(account.mint("dp_"), account.now(), charge="ch_1"), "dispute.seeded")
    walk("GET", "/v1/disputes?charge=ch_1")
    owed = Invoice(account.mint("in_"), account.now(), customer=customer, amount_due=500)
    path = f"/v1/invoices/{account.add(owed, 'invoice.seeded').id}"
    walk("GET", path)
    walk("POST", f"{path}/pay")
    walk("POST", f"{path}/pay", status=400)


def stripe_files(walk: Walk) -> None:
    form = f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
    parts = f'{form}name="purpose"\r\n\r\ndispute_evidence\r\n{form}name="file"; filename="a.txt"\r\n\r\nabc\r\n'
    made = walk("POST", "/v1/files", f"{parts}--{BOUNDARY}--\r\n".encode())
    walk("GET", f"/v1/files/{made['id']}")
    walk("GET", "/v1/files")
