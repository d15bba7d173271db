"""Entity properties: values that a client keeps beside an issue, under keys of its own."""

from __future__ import annotations

import json
from typing import Any

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira.account import Account, Issue
from loadtest.upstreams.jira.asked import Asked
from loadtest.upstreams.jira.errors import JiraError
from loadtest.upstreams.jira.said import said, silence

# Jira's own bounds.
_KEY_CHARS_MAX = 255
_VALUE_CHARS_MAX = 32_768


def read_properties(value: object) -> dict[str, Any]:
    """
    Return the properties in a body: a list of keys and values.
    """
    if value is None:
        return {}
    if not isinstance(value, list) or not all(isinstance(each, dict) and each.get("key") for each in value):
        raise JiraError(400, "Each entity property must have a key and a value.")
    return {str(each["key"]): each.get("value") for each in value}


def keys(asked: Asked) -> Answer:
    """
    List the keys of an issue's properties.
    """
    issue = asked.issue
    kept = asked.account.properties.get(issue.id, {})
    return said(200, {"keys": [{"self": _address(asked, issue.id, key), "key": key} for key in kept]})


def _address(asked: Asked, issue: str, key: str) -> str:
    return asked.view.url(f"issue/{issue}/properties/{key}")


def retrieve(asked: Asked) -> Answer:
    """
    Show a property.
    """
    kept = asked.account.properties.get(asked.issue.id, {})
    if asked.ids[1] not in kept:
        raise _missing(asked.ids[1])
    return said(200, {"key": asked.ids[1], "value": kept[asked.ids[1]]})


def put(asked: Asked) -> Answer:
    """
    Set a property; the status tells whether it was there before.
    """
    issue, value, key = asked.issue, asked.json(), asked.ids[1]
    if len(key) > _KEY_CHARS_MAX or len(json.dumps(value)) > _VALUE_CHARS_MAX:
        raise JiraError(400, "The property key or value is too long.")
    return silence(201 if keep(asked.account, issue, key, value) else 200)


def keep(account: Account, issue: Issue, key: str, value: Any) -> bool:
    """
    Set a property, and tell whether it is new.
    """
    kept = account.properties.setdefault(issue.id, {})
    new = key not in kept
    kept[key] = value
    account.effects.add("property.set", f"{issue.key}/{key}")
    return new


def delete(asked: Asked) -> Answer:
    """
    Remove a property.
    """
    issue, key = asked.issue, asked.ids[1]
    if key not in asked.account.properties.get(issue.id, {}):
        raise _missing(key)
    del asked.account.properties[issue.id][key]
    asked.account.effects.add("property.deleted", f"{issue.key}/{key}")
    return silence()


def _missing(key: str) -> JiraError:
    return JiraError(404, f"The property with key '{key}' does not exist.")
