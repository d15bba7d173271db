"""Upstream requests, generated from canonical ones: never a byte copied from what came in."""

from __future__ import annotations

from breakers.call import Call, Multipart, Request
from proxy.account import Account
from proxy.canonical.bodies import encode_body
from proxy.canonical.target import encode_target
from proxy.clock import Randomness
from proxy.upstreamkey import UpstreamKeys
from proxy.wire import Wire

BOUNDARY_BYTES = 16


class Wires:
    """
    Generates upstream requests from canonical ones, each with the version of the credential that is current now.
    """

    def __init__(self, keys: UpstreamKeys, randomness: Randomness) -> None:
        self._keys, self._randomness = keys, randomness

    def read(self, request: Request, account: Account) -> Wire:
        """
        Return a read as it leaves.
        """
        return self._wire(request, account, ())

    def write(self, call: Call, account: Account) -> Wire:
        """
        Return a write as it leaves, under an idempotency key where the vendor honours one.
        """
        name = account.upstream_key_header(call.operation.spec)
        key = self._keys.key(call.caller.agent, call.api, call.idempotency_key) if name else ""
        return self._wire(call.request, account, ((name.lower(), key),) if name else ())

    def _wire(self, request: Request, account: Account, extra: tuple[tuple[str, str], ...]) -> Wire:
        boundary = self._randomness(BOUNDARY_BYTES).hex() if isinstance(request.body, Multipart) else ""
        body, content_type = encode_body(request.body, request.media_type, boundary)
        headers = [*request.headers, *request.redirecting, *extra, ("accept-encoding", "identity")]
        if content_type is not None:
            headers.append(("content-type", content_type))
        if body or request.method in {"POST", "PUT", "PATCH"}:
            headers.append(("content-length", str(len(body))))
        target = encode_target(request.segments, request.query)
        return Wire(request.method, target, tuple(sorted(headers)), body, account.current())
