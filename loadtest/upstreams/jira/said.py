"""Answers as Jira Cloud writes them: compact JSON in UTF-8, or nothing at all."""

from __future__ import annotations

import json

from loadtest.upstreams.answer import Answer

_CONTENT_TYPE = "application/json;charset=UTF-8"


def said(status: int, value: object) -> Answer:
    """
    Return an answer whose body is `value` as JSON.
    """
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, body, {"Content-Type": _CONTENT_TYPE})


def silence(status: int = 204) -> Answer:
    """
    Return an answer without a body.
    """
    return Answer(status, b"")
