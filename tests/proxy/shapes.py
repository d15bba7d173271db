"""Where each API's error shape holds what its SDK shows, and the fields of ours; `none` is problem+json."""

from __future__ import annotations

from typing import Any


def message(name: str, document: Any) -> str:
    """
    Return the sentence that an SDK of this API shows.
    """
    found = {
        "stripe": lambda: document["error"]["message"],
        "github": lambda: document["message"],
        "jira": lambda: document["errorMessages"][0],
        "none": lambda: document["detail"],
    }[name]()
    return str(found)


def ours(name: str, document: Any) -> Any:
    """
    Return the fields of ours in an answer.
    """
    return document["error"]["breakwater"] if name == "stripe" else document["breakwater"]
