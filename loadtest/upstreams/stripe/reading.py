"""From what came over the wire to a handler and its parameters, and what makes two requests the same one."""

from __future__ import annotations

import hashlib
import json

from loadtest.upstreams.stripe.errors import ApiError
from loadtest.upstreams.stripe.files import parse_multipart
from loadtest.upstreams.stripe.params import Tree, parse_form
from loadtest.upstreams.stripe.routes import Handler, route
from loadtest.upstreams.wiretap import Seen


def parsed(seen: Seen) -> tuple[Handler, tuple[str, ...], Tree]:
    """
    Return the handler of a request, the ids in its path and its parameters.
    """
    path, _, query = seen.target.partition("?")
    found = route(seen.method, path)
    if found is None:
        message = f"Unrecognized request URL ({seen.method}: {path})."
        raise ApiError(404, message)
    tree = parse_form(query) if seen.method in {"GET", "DELETE"} else _body(seen)
    return *found, tree


def _body(seen: Seen) -> Tree:
    content_type = seen.header("Content-Type") or ""
    try:
        match content_type.partition(";")[0].strip().lower():
            case "application/x-www-form-urlencoded":
                return parse_form(seen.body.decode())
            case "multipart/form-data":
                return parse_multipart(content_type, seen.body)
            case "application/json" if seen.path.startswith("/v2/"):
                value = json.loads(seen.body)
                if isinstance(value, dict):
                    return value
            case "" if not seen.body:
                return {}
    except ValueError as error:
        raise ApiError(400, "Invalid request body") from error
    raise ApiError(400, f"Invalid request body: {content_type or 'no content type'}")


def fingerprint(seen: Seen, tree: Tree) -> str:
    """
    Return what an idempotency key is bound to: method, path and parameters, however they were written.
    """
    text = json.dumps([seen.method, seen.path, tree], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
