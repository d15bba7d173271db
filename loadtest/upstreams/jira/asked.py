"""One request as its handler sees it: whose site, which version of the API, the ids in its path, its query and body."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from loadtest.upstreams.jira.account import Account, Issue
from loadtest.upstreams.jira.errors import JiraError, bad_payload


def inner(body: dict[str, Any], name: str) -> dict[str, Any] | None:
    """
    Return an object in a body, if it is there.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise bad_payload()
    return value


@dataclass(frozen=True, slots=True)
class View:
    """
    How a site is shown: in which version of the API, and under which address.
    """

    account: Account
    base: str
    version: int

    def url(self, path: str) -> str:
        """
        Return the address of something in the API.
        """
        return f"{self.base}/rest/api/{self.version}/{path}"


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A request that was understood so far: `query` has every value of a parameter, in order.
    """

    view: View
    ids: tuple[str, ...]
    query: dict[str, list[str]]
    content_type: str
    xsrf_token: str | None
    raw: bytes

    @property
    def account(self) -> Account:
        """
        Return the site.
        """
        return self.view.account

    @property
    def issue(self) -> Issue:
        """
        Return the issue that the path names first, or refuse as Jira does.
        """
        return self.account.issue(self.ids[0])

    def json(self) -> Any:
        """
        Return the body's value, or refuse what is not JSON.
        """
        if self.content_type.partition(";")[0].strip().lower() != "application/json":
            raise JiraError(415, "Unsupported Media Type")
        try:
            return json.loads(self.raw)
        except ValueError as error:
            raise bad_payload() from error

    def mapping(self) -> dict[str, Any]:
        """
        Return the body, which must be an object.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise bad_payload()
        return value

    def text(self, name: str) -> str | None:
        """
        Return a parameter's first value.
        """
        return self.query.get(name, [None])[0]

    def names(self, name: str) -> list[str]:
        """
        Return a parameter that is a list: given several times, separated by commas, or both.
        """
        return [each for value in self.query.get(name, []) for each in value.split(",") if each]

    def integer(self, name: str, default: int) -> int:
        """
        Return a parameter that counts something.
        """
        value = self.text(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit():
            raise JiraError(400, f"The value '{value}' of the parameter '{name}' is not a number from nought upwards.")
        return int(value)

    def flag(self, name: str) -> bool:
        """
        Tell whether a parameter says yes.
        """
        return (self.text(name) or "").lower() == "true"
