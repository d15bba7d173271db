"""What whoever opens a task, or wants a token of one, says, as it comes from outside: read, or refused in words."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from config.caps import NO_CAPS, Caps
from config.faults import Unreadable
from config.written import Seconds, Strict
from proxy.errors import StartRefused
from proxy.ledger.about import LABEL

CAVEATS_MAX = 16
"""More do not fit into a token."""

_TOKEN_ID = re.compile(r"[a-z2-7]{16}")

Order = TypeVar("Order", bound=BaseModel)


def _label(written: str) -> str:
    if not LABEL.fullmatch(written):
        raise Unreadable(
            f"`{written[:40]}` is no label", "write at most 80 letters, digits and `._:/@+-`: `stripe:ch_3Qabc`"
        )
    return written


Label = Annotated[str, AfterValidator(_label)]


class MintOrder(Strict):
    """
    What a token shall be: until when, narrowed to what, and for the key's place of which API.
    """

    ttl_s: Seconds | None = Field(default=None, alias="ttl")
    """For how long; no longer than its task."""
    caveats: tuple[str, ...] = Field(default=(), max_length=CAVEATS_MAX)
    """What it may do, beside what its task and the agent's card allow."""
    api: str | None = Field(default=None, alias="for")
    """The API whose SDK asks for a form of its own."""


class TaskOrder(MintOrder):
    """
    What a task shall be.
    """

    agent: str
    """Whose."""
    caps: Caps = NO_CAPS
    """What it may take in all, beside what the card says."""
    record: Label | None = None
    """What it is about in the business."""
    trace: Label | None = None
    """The trace that it belongs to."""
    model: Label | None = None
    """Which model does it."""
    prompt: Label | None = None
    """By which version of its prompt."""
    parent: str | None = None
    """The task that it is part of."""


def read_order(model: type[Order], body: object, command: str = "task open") -> Order:
    """
    Read what came from outside. Raise `StartRefused` with the first thing that is wrong with it.
    """
    try:
        return model.model_validate(body)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        cause = first.get("ctx", {}).get("error")
        where = ".".join(str(part) for part in first["loc"]) or "the order"
        message, hint = (cause.message, cause.hint) if isinstance(cause, Unreadable) else (first["msg"], "")
        hint = hint or f"`breakwater {command} --help` shows how it is said"
        raise StartRefused(f"{where}: {message}", hint) from None


def revocable(which: str) -> str:
    """
    Return the id of a token. Raise `StartRefused` for what is none, without repeating it: it may be half a token.
    """
    if not _TOKEN_ID.fullmatch(which):
        raise StartRefused("this is neither a token nor the id of one", "`breakwater token inspect` prints the ids")
    return which
