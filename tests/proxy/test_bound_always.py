"""Ten thousand changes of what was approved, one at a time, of any byte of it: none is what the approver's word is for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from yarl import URL

from breakers.call import Call, Caller, Form, Json, Operation, Part, Request
from breakers.call import Multipart as Parts
from breakers.caveats import Caveat
from breakers.facts import Facts, Image
from breakers.suggestion import Cause, Grant, Park
from breakers.verdict import Forward
from config.catalog import NO_ARGUMENTS, After, Before, Content, Effect, ObjectSpec, OperationSpec, Reversibility, Touch
from proxy.account import Account
from proxy.binding import Offer, bound, digest_of, differing, reasons_of, unlike

MUTATIONS = 10_000

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
IMAGE = b'{"id": "ch_1", "amount": 5000, "refunded": false}'


@dataclass(frozen=True)
class _Held:
    ref: str


@dataclass(frozen=True)
class _Account:
    """What of an account the document is made from."""

    origins: dict[str, URL]
    sockets: dict[str, str]
    ref: str

    def current(self) -> _Held:
        return _Held(self.ref)


def account(origin: str = "https://api.example.com", ref: str = "stripe@1", socket: str = "") -> Account:
    return cast(Account, _Account({"api": URL(origin)}, {"api": socket} if socket else {}, ref))


TOUCH = Touch(
    ObjectSpec("charge", "charges.retrieve", ("charge",)), (), before=Before.OPTIONAL, after=After.READ
) if False else None  # fmt: skip


def spec() -> OperationSpec:
    return OperationSpec(
        api="stripe", name="refunds.create", method="POST", path="/v1/refunds", base="api",
        effect=Effect.IRREVERSIBLE, contents={"application/json": Content.JSON}, arguments=NO_ARGUMENTS,
        reversibility=Reversibility.IRREVERSIBLE,
    )  # fmt: skip
