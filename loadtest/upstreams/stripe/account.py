"""
What one Stripe account remembers: its objects, in the order in which they were made, and a count of every effect.

An effect is `KIND.VERB` (`refund.created`, `customer.deleted`); a handler counts one as it changes something, so
"exactly once" is a number that can be asked for.
"""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from loadtest.upstreams.stripe.errors import missing

_ALPHABET = string.ascii_letters + string.digits

T = TypeVar("T", bound="Thing")


@dataclass(slots=True)
class Thing:
    """
    What every object has.
    """

    id: str
    created: int
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Customer(Thing):
    """
    A customer; `fields` are those that only text goes into.
    """

    fields: dict[str, str | None] = field(default_factory=dict)
    address: dict[str, object] | None = None
    balance: int = 0


@dataclass(slots=True)
class PaymentMethod(Thing):
    """
    A card; `declines` is what its issuer will say.
    """

    customer: str | None = None
    declines: bool = False


@dataclass(slots=True)
class PaymentIntent(Thing):
    """
    A payment on its way.
    """

    amount: int = 0
    currency: str = "usd"
    status: str = "requires_payment_method"
    capture_method: str = "automatic"
    customer: str | None = None
    description: str | None = None
    payment_method: str | None = None
    latest_charge: str | None = None
    receipt_email: str | None = None
    cancellation_reason: str | None = None
    canceled_at: int | None = None
    amount_received: int = 0
    client_secret: str = ""


@dataclass(slots=True)
class Charge(Thing):
    """
    Money that was taken, held, or refused.
    """

    amount: int = 0
    currency: str = "usd"
    status: str = "succeeded"
    captured: bool = True
    amount_captured: int = 0
    amount_refunded: int = 0
    customer: str | None = None
    description: str | None = None
    payment_intent: str | None = None
    payment_method: str | None = None
    balance_transaction: str | None = None

    @property
    def left(self) -> int:
        """
        Return what can still be refunded.
        """
        return (self.amount_captured if self.captured else self.amount) - self.amount_refunded


@dataclass(slots=True)
class Refund(Thing):
    """
    Money given back.
    """

    amount: int = 0
    currency: str = "usd"
    charge: str = ""
    payment_intent: str | None = None
    reason: str | None = None
    status: str = "succeeded"
    balance_transaction: str = ""


@dataclass(slots=True)
class Dispute(Thing):
    """
    A charge that its payer contests: a chargeback.
    """

    charge: str = ""
    payment_intent: str | None = None
    amount: int = 0
    currency: str = "usd"
    reason: str = "fraudulent"
    status: str = "needs_response"


@dataclass(slots=True)
class Invoice(Thing):
    """
    What a customer owes.
    """

    customer: str | None = None
    amount_due: int = 0
    amount_paid: int = 0
    currency: str = "usd"
    status: str = "open"


@dataclass(slots=True)
class File(Thing):
    """
    An uploaded file.
    """

    filename: str = ""
    purpose: str = ""
    data: bytes = b""


@dataclass(slots=True)
class EventDestination(Thing):
    """
    An object of the v2 API, which speaks JSON.
    """

    name: str = ""
    description: str = ""
    kind: str = "webhook_endpoint"
    events: tuple[str, ...] = ()
    payload: str = "thin"


class Account:
    """
    The state behind one secret key. Everything that happens to it happens in one step of one thread.
    """

    def __init__(self, clock: Callable[[], float], seed: int) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self.things: dict[str, Thing] = {}
        self.effects: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Account {len(self.things)} objects, {self.effects.total()} effects>"

    def now(self) -> int:
        """
        Return this second.
        """
        return int(self._clock())

    def mint(self, prefix: str, length: int = 24) -> str:
        """
        Return a fresh id.
        """
        return prefix + "".join(self._random.choices(_ALPHABET, k=length))

    def add(self, thing: T, effect: str) -> T:
        """
        Keep a new object and count its effect.
        """
        self.things[thing.id] = thing
        self.effects[effect] += 1
        return thing

    def changed(self, effect: str) -> None:
        """
        Count an effect on an object that was there before.
        """
        self.effects[effect] += 1

    def get(self, kind: type[T], noun: str, id_: str, param: str = "id") -> T:
        """
        Return an object, or refuse as Stripe does.
        """
        thing = self.things.get(id_)
        if not isinstance(thing, kind):
            raise missing(noun, id_, param)
        return thing

    def all(self, kind: type[T]) -> list[T]:
        """
        Return all objects of a kind, newest first.
        """
        return [thing for thing in reversed(self.things.values()) if isinstance(thing, kind)]
