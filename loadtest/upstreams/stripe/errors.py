"""
Stripe's way of saying no: one exception that carries the status and the error object.

`stored` tells whether the failure happened while executing: only those are remembered under an idempotency key, a
request that did not validate is not.
"""

from __future__ import annotations

from loadtest.upstreams.answer import Answer, Refusal


class ApiError(Refusal):
    """
    A request that Stripe refuses or that failed; `fields` are further members of the error object.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        stored: bool = False,
        fields: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.stored = stored
        self.error: dict[str, object] = {"message": message, "type": kind}
        if code is not None:
            self.error["code"] = code
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        if param is not None:
            self.error["param"] = param
        self.error.update(fields or {})

    def answer(self) -> Answer:
        """
        Return the refusal as Stripe's error object.
        """
        return Answer.of(self.status, {"error": self.error})


def missing(noun: str, id_: str, param: str = "id") -> ApiError:
    """
    Return the 404 for an object that does not exist; another parameter than the path's own makes it Stripe's 400.
    """
    status = 404 if param == "id" else 400
    return ApiError(status, f"No such {noun}: '{id_}'", code="resource_missing", param=param)


def declined(charge_id: str) -> ApiError:
    """
    Return the 402 of a card that the issuer refuses: executed, so it is remembered.
    """
    return ApiError(
        402,
        "Your card was declined.",
        kind="card_error",
        code="card_declined",
        stored=True,
        fields={"charge": charge_id, "decline_code": "generic_decline"},
    )
