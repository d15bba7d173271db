"""A write that is parked, as each vendor's SDK tells of it: an error of its own, and once approved the object."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest

from tests.clients.retries.stand import APIS, Stand

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

# What each SDK raises, as far as its error shows it.
RAISES = {
    "stripe-python, the module": "'PermissionError', 403",
    "stripe-python, StripeClient": "'PermissionError', 403",
    "PyGithub": "(403, {",
    "githubkit": "RequestFailed(",
    "jira": "(403, ",
    "atlassian-python-api": "HTTPError(",
    "stripe-node": "StripePermissionError",
    "octokit": "403",
    "octokit with plugin-retry": "403",
}

_ID = re.compile(r"suggestion\W+([0-9A-HJKMNP-TV-Z]{26})")


class Approver:
    """
    Somebody with a token of her own.
    """

    def __init__(self, on: Stand) -> None:
        self._door = on.breakwater.doors["admin"]
        self._shown = (on.breakwater.state / "admin.token").read_text().strip()
        self._shown = self.ask("POST", "/v1/operators", {"operator": "ada"})["token"]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """
        Ask the admin door.
        """
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(
            self._door + path, data, {"Authorization": f"Bearer {self._shown}"}, method=method
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked) as answer:
            return json.load(answer)

    def approve(self, suggestion: str) -> str:
        """
        Approve what is shown, and return how it stands once it was carried out.
        """
        card = self.ask("GET", f"/v1/suggestions/{suggestion}")
        self.ask("POST", f"/v1/suggestions/{suggestion}/approve", {"digest": card["digest"]})
        return str(self.ask("GET", f"/v1/suggestions/{suggestion}?wait=20")["state"])


@pytest.fixture(scope="module")
def ada(on: Stand) -> Approver:
    """
    Give somebody who approves.
    """
    return Approver(on)


@pytest.mark.parametrize("name", tuple(APIS))
def test_parked(on: Stand, ada: Approver, name: str) -> None:
    """An SDK raises its own error for a parked write, joins it when it asks again, and has the object once approved."""
    client, door = on.clients[name], on.parking(on.clients[name])
    upstream, before = on.upstreams[client.api], on.effects(client)
    upstream.faults.clear()
    sent = sum(seen.method == "POST" for seen in upstream.wiretap.requests)
    first, again = client.ask(door, f"{name} parked"), client.ask(door, f"{name} parked")
    assert first.made is None
    assert RAISES[name] in first.error, first.error
    assert "Nothing was sent" in first.error
    found = _ID.search(first.error)
    assert found is not None, first.error
    assert _ID.findall(again.error)[0] == found[1]
    assert sum(seen.method == "POST" for seen in upstream.wiretap.requests) == sent
    assert ada.approve(found[1]) == "executed"
    assert on.effects(client) == before + 1
    told = client.ask(door, f"{name} parked")
    assert told.made is not None, told.error
    assert on.effects(client) == before + 1
