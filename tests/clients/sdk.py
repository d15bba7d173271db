"""
The vendor's own SDK in the two ways in which people use it, behind one set of verbs, and what it makes of an answer.

Global style keeps its settings in the module and retries twice; `StripeClient` carries its own and does not retry
unless told to. Both go through one HTTP client that writes down every byte it received.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
import stripe

from tests.clients.compare import Step

# Of an answer's headers, those that say something about it to the SDK or its user.
HEADERS = ("content-type", "idempotent-replayed", "retry-after", "stripe-should-retry", "stripe-version")

# What every error of ours has.
OUR_SHAPE = {"type", "code", "message"}

# Long enough to be a retry, short enough for a test.
_RETRY_S = 0.001


class Recording(stripe.RequestsClient):
    """
    The SDK's HTTP client, writing down what it received.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received = bytearray()

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **more: Any
    ) -> Any:
        content, status, answered = super().request(method, url, headers, post_data, **more)
        self.received += json.dumps(dict(answered)).encode() + content
        return content, status, answered


class Sdk(Protocol):
    """
    One style of the SDK.
    """

    http: Recording

    def create(self, kind: str, **params: Any) -> Any:
        """
        Create an object.
        """

    def retrieve(self, kind: str, id_: str, **params: Any) -> Any:
        """
        Read an object.
        """

    def update(self, kind: str, id_: str, **params: Any) -> Any:
        """
        Change an object.
        """

    def delete(self, kind: str, id_: str) -> Any:
        """
        Delete an object.
        """

    def list(self, kind: str, **params: Any) -> Any:
        """
        Read one page.
        """

    def search(self, kind: str, **params: Any) -> Any:
        """
        Find objects.
        """

    def act(self, kind: str, verb: str, id_: str, **params: Any) -> Any:
        """
        Do what only this kind of object can do.
        """


class GlobalStyle:
    """
    `stripe.api_base = …`, then classes.
    """

    _KINDS: Mapping[str, Any] = {
        "customers": stripe.Customer,
        "payment_intents": stripe.PaymentIntent,
        "charges": stripe.Charge,
        "refunds": stripe.Refund,
        "files": stripe.File,
        "prices": stripe.Price,
    }

    def __init__(self, http: Recording) -> None:
        self.http = http

    def create(self, kind: str, **params: Any) -> Any:
        return self._KINDS[kind].create(**params)

    def retrieve(self, kind: str, id_: str, **params: Any) -> Any:
        return self._KINDS[kind].retrieve(id_, **params)

    def update(self, kind: str, id_: str, **params: Any) -> Any:
        return self._KINDS[kind].modify(id_, **params)

    def delete(self, kind: str, id_: str) -> Any:
        return self._KINDS[kind].delete(id_)

    def list(self, kind: str, **params: Any) -> Any:
        return self._KINDS[kind].list(**params)

    def search(self, kind: str, **params: Any) -> Any:
        return self._KINDS[kind].search(**params)

    def act(self, kind: str, verb: str, id_: str, **params: Any) -> Any:
        return getattr(self._KINDS[kind], verb)(id_, **params)


class ClientStyle:
    """
    `StripeClient(base_addresses=…)`, then services.
    """

    def __init__(self, client: stripe.StripeClient, http: Recording) -> None:
        self.client = client
        self.http = http

    def _service(self, kind: str) -> Any:
        return self.client.v2.core.event_destinations if kind == "event_destinations" else getattr(self.client.v1, kind)

    def create(self, kind: str, **params: Any) -> Any:
        options = params.pop("options", None)
        return self._service(kind).create(params, options)

    def retrieve(self, kind: str, id_: str, **params: Any) -> Any:
        return self._service(kind).retrieve(id_, params)

    def update(self, kind: str, id_: str, **params: Any) -> Any:
        return self._service(kind).update(id_, params)

    def delete(self, kind: str, id_: str) -> Any:
        return self._service(kind).delete(id_)

    def list(self, kind: str, **params: Any) -> Any:
        return self._service(kind).list(params)

    def search(self, kind: str, **params: Any) -> Any:
        return self._service(kind).search(params)

    def act(self, kind: str, verb: str, id_: str, **params: Any) -> Any:
        return getattr(self._service(kind), verb)(id_, params)


@contextlib.contextmanager
def global_style(api: str, files: str, key: str) -> Iterator[GlobalStyle]:
    """
    Set the module up for this address, with the two retries it ships with, and put it back after.
    """
    http = Recording()
    settings = {
        "api_key": key,
        "api_base": api,
        "connect_api_base": api,
        "upload_api_base": files,
        "meter_events_api_base": api,
        "max_network_retries": 2,
        "default_http_client": http,
    }
    before = {name: getattr(stripe, name) for name in settings}
    with _quick(http):
        for name, value in settings.items():
            setattr(stripe, name, value)
        try:
            yield GlobalStyle(http)
        finally:
            for name, value in before.items():
                setattr(stripe, name, value)


@contextlib.contextmanager
def client_style(api: str, files: str, key: str, retries: int = 0) -> Iterator[ClientStyle]:
    """
    Build a client for this address.
    """
    http = Recording()
    with _quick(http):
        client = stripe.StripeClient(
            key,
            base_addresses={"api": api, "connect": api, "files": files, "meter_events": api},
            http_client=http,
            max_network_retries=retries,
        )
        yield ClientStyle(client, http)


@contextlib.contextmanager
def _quick(http: Recording) -> Iterator[None]:
    before = stripe.enable_telemetry, stripe.HTTPClient.INITIAL_DELAY, stripe.HTTPClient.MAX_DELAY
    stripe.enable_telemetry = False
    stripe.HTTPClient.INITIAL_DELAY = stripe.HTTPClient.MAX_DELAY = _RETRY_S  # type: ignore[assignment]
    try:
        yield
    finally:
        stripe.enable_telemetry, stripe.HTTPClient.INITIAL_DELAY, stripe.HTTPClient.MAX_DELAY = before
        http.close()  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class Player:
    """
    Plays steps and records what the SDK made of each answer.
    """

    sdk: Sdk
    steps: list[Step] = field(default_factory=list)

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        """
        Make one call; return its value, or None where the SDK raised.
        """
        try:
            value = call()
        except stripe.StripeError as error:
            self.steps.append(Step(name, "error", error_of(error)))
            return None
        if isinstance(value, list):
            self.steps.append(Step(name, "pages", [json.loads(str(each)) for each in value]))
        else:
            self.steps.append(Step(name, _kind(value), _value_of(value)))
        return value


def _kind(value: Any) -> str:
    if getattr(value, "deleted", False):
        return "deleted"
    return "list" if isinstance(value, (stripe.ListObject, stripe.v2.ListObject)) else "object"


def _value_of(value: Any) -> dict[str, Any]:
    answer = value.last_response
    return {
        "class": type(value).__name__,
        "seen": json.loads(str(value)),
        "body": json.loads(answer.body),
        "status": answer.code,
        "headers": _headers(answer.headers),
        "request-id": value.last_response.request_id,
    }


def error_of(error: stripe.StripeError) -> dict[str, Any]:
    """
    Return everything that an SDK's error shows.
    """
    return {
        "class": type(error).__name__,
        "status": error.http_status,
        "code": error.code,
        "param": getattr(error, "param", None),
        "message": error.user_message,
        # Where a body is not JSON the SDK puts the headers here.
        "body": error.json_body if isinstance(error.json_body, dict) else error.http_body,
        "headers": _headers(error.headers or {}),
        "request-id": error.request_id,
    }


def raised(sdk: Sdk, kind: type[stripe.StripeError], verb: str, *arguments: Any, **params: Any) -> dict[str, Any]:
    """
    Make a call that must fail in this way; return what the error shows, with our own headers.
    """
    with pytest.raises(kind) as caught:
        getattr(sdk, verb)(*arguments, **params)
    assert type(caught.value) is kind
    headers = {name.lower(): value for name, value in (caught.value.headers or {}).items()}
    ours = {name: value for name, value in headers.items() if name.startswith("breakwater-")}
    shown = error_of(caught.value) | {"ours": ours, "retry": headers.get("stripe-should-retry")}
    assert set(shown["body"]["error"]) >= OUR_SHAPE
    assert shown["message"] == shown["body"]["error"]["message"]
    assert len(ours["breakwater-call"]) == 26
    return shown


def paid(sdk: Sdk, amount: int = 20_000) -> str:
    """
    Pay by card, and return the charge.
    """
    made = sdk.create("payment_intents", amount=amount, currency="usd", payment_method="pm_card_visa", confirm=True)
    return str(made.latest_charge)


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    folded = {name.lower(): value for name, value in headers.items()}
    return {name: folded[name] for name in HEADERS if name in folded}
