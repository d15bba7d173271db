"""
A shop of four writes, two agents that may do them all, and calls that differ in everything that makes a repeat one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from breakers.allowlist import compile_policy
from breakers.call import Call, Caller, Form, Operation, Request
from breakers.known import Names
from breakers.policy import Policy
from config.catalog import NO_ARGUMENTS, Amount, Content, Effect, OperationSpec
from config.dialect import Dialect
from config.policy import AgentCard
from config.routes import Catalog

API = "shop"
AGENTS = ("clerk", "helper")

DAY_S = 86_400

_FORMS = {"application/x-www-form-urlencoded": Content.FORM}


def _spec(name: str, method: str, **more: object) -> OperationSpec:
    path = f"/{name.partition('.')[0]}"
    bare = OperationSpec(API, name, method, path, "api", Effect.WRITE, _FORMS, NO_ARGUMENTS)
    return replace(bare, **more)  # type: ignore[arg-type] # a table's fields


SPECS = (
    # Makes something new each time; nothing names its effect.
    _spec("orders.create", "POST"),
    # Twice is as good as once.
    _spec("labels.set", "PUT", curated=True),
    # Money: only a person may say that it is meant twice.
    _spec("refunds.create", "POST", amount=Amount("amount"), effect_key="refund:{thing}", effect_window_s=DAY_S),
    # Its effect has a name, and the agent itself may say that it is meant twice.
    _spec("tickets.create", "POST", effect_key="ticket:{thing}", effect_window_s=60),
)
CATALOG = Catalog.build(API, Dialect(), SPECS, "0" * 64)
OPERATIONS = tuple(CATALOG.operations)


def policy() -> Policy:
    """
    Compile the agents' cards: each may do everything, as far as it is done once.
    """
    card = AgentCard.model_validate({"purpose": "Sell", "environment": "test", "allow": {API: {"*": {}}}})
    return compile_policy(dict.fromkeys(AGENTS, card), {API: CATALOG}, "v1")


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What one call says: which operation on what, with which remark, by whom, under which key, meant twice or re-sent.
    """

    operation: str
    thing: str
    remark: str
    agent: str
    key: str | None
    duplicate: bool
    again: bool

    @property
    def spec(self) -> OperationSpec:
        """
        Return its operation.
        """
        return CATALOG.operations[self.operation]

    @property
    def says(self) -> str:
        """
        Return what two calls have in common that say the same.
        """
        return f"{self.agent}/{self.operation}/{self.thing}/{self.remark}"

    @property
    def names(self) -> Names:
        """
        Return the names that it is known under.
        """
        return Names(
            fingerprints=(f"f1:{self.says}",),
            key=None if self.key is None else f"k:{self.agent}/{self.key}",
            effect=f"e:{self.operation}/{self.thing}" if self.spec.effect_key else None,
        )

    def call(self, intent: str, at: datetime) -> Call:
        """
        Return it as a call.
        """
        pairs = (("thing", self.thing), ("remark", self.remark))
        return Call(
            id=intent,
            at=at,
            api=API,
            caller=Caller(self.agent, "key-1", "task-1"),
            operation=Operation(self.spec, {}),
            request=Request("api", self.spec.method, (self.operation,), body=Form(pairs)),
            idempotency_key=self.key,
            duplicate=self.duplicate,
            again=self.again,
            names=self.names,
        )
