"""A lost write looked for by its recipe, on a sandbox: as plainly as the recipe can be read, to judge the overlays."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from config.catalog import Content, Find, Listing, Marker, MarkerForm, OperationSpec, Paging, Place
from config.dialect import point_at
from config.routes import Catalog
from loadtest.upstreams.faults import Fault
from loadtest.upstreams.sandbox import Sandbox
from loadtest.upstreams.wiretap import Seen
from tests.loadtest.plain import SECRET

Arguments = Mapping[str, Any]
"""What is sent, by `place.name`."""

BOUNDARY = "boundary"
SINCE_BEFORE_S = 60


class Site:
    """
    One sandbox and the catalogue that says how it is talked to.
    """

    def __init__(self, catalog: Catalog, upstream: Sandbox) -> None:
        self.catalog, self.upstream = catalog, upstream

    def send(self, name: str, arguments: Arguments) -> tuple[int, Any]:
        """
        Make one request of that operation, and return status and body.
        """
        spec = self.catalog.operations[name]
        at = {place: _of(place, arguments) for place in Place}
        path = spec.path
        for parameter, value in at[Place.PATH].items():
            safe = "/" if (spec.arguments[Place.PATH, parameter]).multi_segment else ""
            path = path.replace(f"{{{parameter}}}", quote(str(value), safe=safe))
        query = urlencode(at[Place.QUERY], doseq=True)
        media, body = _body(spec, at[Place.BODY])
        headers = {"Authorization": f"Bearer {SECRET}", "User-Agent": "tests", "X-Atlassian-Token": "no-check"}
        pairs = tuple((key.encode(), value.encode()) for key, value in (headers | {"Content-Type": media}).items())
        seen = Seen(spec.method, f"{path}?{query}" if query else path, pairs, body)
        answer = asyncio.run(self.upstream.answer(seen, Fault()))
        return answer.status, json.loads(answer.body) if answer.body.strip()[:1] in {b"{", b"["} else None

    def look(
        self, spec: OperationSpec, arguments: Arguments, marker: str = "", since: float | None = None
    ) -> list[Any]:
        """
        Return the items that may be what a write with these arguments made, the whole list read; it was sent just now.
        """
        find = spec.find
        assert find is not None
        listing = find.marked if marker and find.marked else find.listing
        since = (self.upstream.clock() if since is None else since) - SINCE_BEFORE_S
        items = self._listed(listing, find, arguments, marker, since)
        own = self._who()
        return [
            item
            for item in items
            if moment(point_at(item, find.created)) >= since
            and (find.creator is None or point_at(item, find.creator) == own)
            and all(point_at(item, pointer) is None for pointer in find.without)
        ]

    def _who(self) -> object:
        identity = self.catalog.dialect.identity
        return identity and point_at(self.send(identity.read, {})[1], identity.pointer)

    def _listed(self, listing: Listing, find: Find, arguments: Arguments, marker: str, since: float) -> list[Any]:
        wanted = parameters(self.catalog.operations[listing.read], listing, arguments, marker, since)
        found: list[Any] = []
        for number in range(1, 99):
            status, answer = self.send(listing.read, wanted)
            assert status == 200, (listing.read, wanted, answer)
            items = point_at(answer, listing.items) if listing.items else answer
            assert isinstance(items, list), (listing.read, answer)
            found += items
            goes_on = point_at(answer, listing.more) if listing.more else items
            if listing.paging is Paging.WHOLE or not goes_on or not items:
                return found
            following = {
                Paging.NUMBER: number + 1,
                Paging.OFFSET: len(found),
                Paging.AFTER: point_at(items[-1], find.id),
                Paging.TOKEN: goes_on,
            }
            wanted = wanted | {f"query.{listing.page}": following[listing.paging]}
        raise AssertionError(f"{listing.read} never ends")


def _of(place: Place, arguments: Arguments) -> dict[str, Any]:
    return {key.removeprefix(f"{place}."): value for key, value in arguments.items() if key.startswith(f"{place}.")}


def _body(spec: OperationSpec, values: Mapping[str, Any]) -> tuple[str, bytes]:
    shapes = set(spec.contents.values())
    if spec.method == "GET" or "raw" in values:
        return "text/plain", values.get("raw", b"")
    if Content.MULTIPART in shapes and Content.JSON not in shapes:
        fields = "".join(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
                         for key, value in values.items())  # fmt: skip
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc\r\n'
        return f"multipart/form-data; boundary={BOUNDARY}", f"{fields}{head}--{BOUNDARY}--\r\n".encode()
    if Content.FORM in shapes:
        flat = {f"{key}[{inner}]": each for key, value in values.items() if isinstance(value, dict)
                for inner, each in value.items()}  # fmt: skip
        plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
        return "application/x-www-form-urlencoded", urlencode(plain | flat).encode()
    return "application/json", json.dumps(dict(values)).encode()


def parameters(
    read: OperationSpec, listing: Listing, arguments: Arguments, marker: str, since: float
) -> dict[str, object]:
    """
    Return the arguments of a list's read, or fail where the request does not say what it needs.
    """
    found: dict[str, object] = {}
    for name, value in _sourced(listing.sources, arguments).items():
        found[f"{Place.PATH if (Place.PATH, name) in read.arguments else Place.QUERY}.{name}"] = value
    quoted = {name: f'"{value}"' for name, value in _sourced(listing.quoted, arguments).items()}
    moments = {"since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since)), "since_s": str(int(since))}
    words = quoted | moments | {"marker": marker}
    for name, text in listing.query:
        for word, value in words.items():
            text = text.replace(f"{{{word}}}", value)  # noqa: PLW2901 - it is filled word by word
        assert "{" not in text, text
        found[f"query.{name}"] = text
    return found


def _sourced(sources: Any, arguments: Arguments) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, source in sources:
        value = source.name if source.origin == "constant" else arguments.get(f"{source.origin}.{source.name}")
        value = point_at(value, source.pointer) if source.pointer else value
        if value is not None:
            found.setdefault(name, value)
    return found


def moment(value: object) -> float:
    """
    Return when something was made, in seconds since 1970.
    """
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else float(str(value))


def claimed(spec: OperationSpec, arguments: Arguments, item: object) -> dict[str, bool]:
    """
    Return for each argument that an item is to show whether it does.
    """
    assert spec.find is not None
    claims = dict(spec.find.claims)
    found = {}
    for key, sent in arguments.items():
        place, _, name = key.partition(".")
        at = claims.get(name, f"/{name}" if place == Place.BODY else None) if place != Place.PATH else None
        if at is not None and at.endswith("/*"):
            inner = point_at(item, at.removesuffix("/*"))
            found[key] = isinstance(inner, dict) and all(shows(value, inner.get(part)) for part, value in sent.items())
        elif at is not None and name != "raw":
            found[key] = shows(sent, point_at(item, at))
    return found


def shows(sent: object, shown: object) -> bool:
    """
    Tell whether what is shown is, or has, what was sent.
    """
    if isinstance(sent, dict):
        return isinstance(shown, dict) and all(shows(value, shown.get(name)) for name, value in sent.items())
    if isinstance(sent, list):
        if not isinstance(shown, list) or len(shown) != len(sent):
            return False
        return all(any(shows(each, other) for other in shown) for each in sent)
    if isinstance(shown, dict):
        return sent in shown.values()
    return shown == sent


def mark(marker: Marker, arguments: Arguments, call: str) -> tuple[dict[str, Any], str]:
    """
    Return the arguments with a marker in them, and the marker as it stands there.
    """
    key = f"body.{marker.argument}"
    marked = json.loads(json.dumps(dict(arguments)))
    names = marker.pointer.split("/")[1:]
    parent = marked if not names else marked.setdefault(key, {})
    last = names[-1] if names else key
    text, parent[last] = _marked(marker.form, parent.get(last), call)
    return marked, text


def _marked(form: MarkerForm, before: Any, call: str) -> tuple[str, Any]:
    match form:
        case MarkerForm.MEMBER:
            return call, {**(before or {}), "breakwater_call": call}
        case MarkerForm.PROPERTY:
            return call, [*(before or []), {"key": "breakwater_call", "value": {"intent": call}}]
        case MarkerForm.LABEL:
            return f"breakwater_call_{call}", [*(before or []), f"breakwater_call_{call}"]
        case MarkerForm.COMMENT | MarkerForm.TRAILER:
            text = f"<!-- breakwater_call: {call} -->" if form is MarkerForm.COMMENT else f"Breakwater-Call: {call}"
            return text, f"{before}\n\n{text}" if before else text
