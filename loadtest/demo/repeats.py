"""The scene of an SDK that sends again: it lost the answer to a refund, and is given that one instead of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import stripe

from loadtest.demo.record import Shown, call_in, expect
from loadtest.demo.shop import client
from loadtest.demo.stage import Stage

# Below what the SDK does unless it is told: it sends twice more.
_RETRIES = 2


class _Dropping(stripe.RequestsClient):
    """
    The SDK's own transport on a connection that breaks once, after the answer has left and before it has come.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dropped: list[str] = []

    def request(self, *arguments: Any, **named: Any) -> Any:
        """
        Send a request; lose the first answer.
        """
        answer: tuple[bytes, int, Mapping[str, str]] = super().request(*arguments, **named)
        if self.dropped:
            return answer
        self.dropped.append(answer[2]["Breakwater-Call"])
        raise stripe.APIConnectionError("the connection was closed", should_retry=True)  # type: ignore[no-untyped-call]


def a_retry_is_replayed(stage: Stage) -> Shown:
    """
    Refund 7 USD over a connection that breaks: the SDK sends it again under its own key, and has the first answer.
    """
    made, transport = stage.effects("stripe")["refund.created"], _Dropping()
    with client(stage.door("stripe"), stage.key, transport, _RETRIES) as sdk:
        refund = sdk.v1.refunds.create({"charge": stage.sold.charge, "amount": 700})
    (first,) = transport.dropped
    expect(refund.last_response is not None, "the SDK shows no answer")
    said = dict(refund.last_response.headers) if refund.last_response is not None else {}
    expect(said.get("idempotent-replayed") == "true", f"the retry was answered by {said}")
    expect(said.get("breakwater-intent") == first, f"the retry is not of {first}")
    counted = stage.effects("stripe")["refund.created"]
    expect(counted == made + 1, f"{counted - made} refunds were made")
    expect(stage.record.newest("stripe", "refunds.create") == first, f"{first} is not the last refund on record")
    sentence = f"{refund.id} was made once, by {first}; the SDK sent it again by itself and was given that answer"
    return Shown(sentence, call_in(refund.last_response))
