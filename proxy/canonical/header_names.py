"""Which request headers leave for an API, which are read here, and which no configuration can make us forward."""

from __future__ import annotations

# What leaves for every API; a dialect adds its versions and previews.
FORWARDED = frozenset(
    {
        "accept",
        "accept-language",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
        "traceparent",
        "tracestate",
        "user-agent",
    },
)

# What is read here and therefore neither forwarded nor recorded as dropped.
READ = frozenset(
    {
        "accept-encoding",
        "authorization",
        "breakwater-deadline-ms",
        "breakwater-duplicate",
        "breakwater-key",
        "breakwater-task",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "prefer",
        "transfer-encoding",
        "x-stainless-retry-count",
    },
)

# Credentials, framing, routing, and wishes to be read as another method or path.
_NEVER = frozenset(
    {
        "accept-encoding",
        "api-key",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "cookie2",
        "expect",
        "forwarded",
        "front-end-https",
        "host",
        "http2-settings",
        "idempotency-key",
        "keep-alive",
        "prefer",
        "private-token",
        "proxy",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-api-key",
        "x-auth-token",
        "x-client-ip",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-method",
        "x-original-url",
        "x-real-ip",
        "x-rewrite-url",
        "x-stainless-retry-count",
    },
)
_NEVER_PREFIXES = ("breakwater-", "proxy-", "x-forwarded-")


def may_leave(name: str) -> bool:
    """
    Tell whether a dialect may have the lower-case header `name` forwarded.
    """
    return name not in _NEVER and not name.startswith(_NEVER_PREFIXES)
