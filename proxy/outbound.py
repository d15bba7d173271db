"""Upstream requests, generated from canonical ones: never a byte copied from what came in."""

from __future__ import annotations

from breakers.call import Call, Multipart, Request
from proxy.account import Account
from proxy.canonical.bodies import encode_body
from proxy.canonical.target import encode_target
from proxy.clock import Randomness
from proxy.markers import marked
from proxy.upstreamkey import mint_key
from proxy.wire import Wire

BOUNDARY_BYTES = 16


class Wires:
    """
    Generates upstream requests from canonical ones, each with the version of the credential that is current now.
    """

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness

    def read(self, request: Request, account: Account) -> Wire:
        """
        Return a read as it leaves.
        """
        return self._wire(request, account)

    def write(self, call: Call, account: Account, *, mark: bool = False) -> Wire:
        """
        Return a write as it leaves, once and for all that is sent of it: under a new key where the vendor honours keys.

        With `mark` it bears the mark of its intent, where its catalogue says how and its body has a place for it.
        """
        spec = call.operation.spec
        name = account.upstream_key_header(spec)
        key = (name.lower(), mint_key(self._randomness)) if name else None
        request = marked(call.request, spec.marker, call.id) if mark and spec.marker else call.request
        return self._wire(request, account, key, is_marked=request is not call.request)

    def _wire(
        self, request: Request, account: Account, key: tuple[str, str] | None = None, *, is_marked: bool = False
    ) -> Wire:
        boundary = self._randomness(BOUNDARY_BYTES).hex() if isinstance(request.body, Multipart) else ""
        body, content_type = encode_body(request.body, request.media_type, boundary)
        headers = [*request.headers, *request.redirecting, ("accept-encoding", "identity")]
        if key is not None:
            headers.append(key)
        if content_type is not None:
            headers.append(("content-type", content_type))
        if body or request.method in {"POST", "PUT", "PATCH"}:
            headers.append(("content-length", str(len(body))))
        target = encode_target(request.segments, request.query)
        headers.sort()
        return Wire(request.method, target, tuple(headers), body, account.current(), key is not None, is_marked)
