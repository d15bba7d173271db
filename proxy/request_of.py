"""The request that a client would send for an operation with these arguments, as text and bytes: for policy tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from config.catalog import Content, OperationSpec, Place
from config.dialect import Dialect
from proxy.canonical.pairs import encode_pairs
from proxy.canonical.target import encode_target
from proxy.errors import StartRefused
from proxy.images import spell_image
from proxy.sight import filled

BRACKET = "bracket"

_MEDIA = {Content.JSON: "application/json", Content.FORM: "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Sent:
    """
    A request as it would come over the wire; `media_type` is None without a body.
    """

    method: str
    target: str
    media_type: str | None
    body: bytes


def request_of(spec: OperationSpec, dialect: Dialect, arguments: Mapping[str, object]) -> Sent:
    """
    Return the request. Raise `StartRefused` where an argument has no place in it.
    """
    placed: dict[Place, dict[str, object]] = {place: {} for place in Place}
    for written, value in arguments.items():
        place, name = _place_of(written, spec)
        placed[place][name] = value
    query = tuple(_pairs(placed[Place.QUERY], dialect.style))
    target = encode_target(_segments(spec, {name: _text(value) for name, value in placed[Place.PATH].items()}), query)
    if not placed[Place.BODY]:
        return Sent(spec.method, target, None, b"")
    content = next((kind for kind in (Content.JSON, Content.FORM) if kind in spec.contents.values()), None)
    if content is None:
        raise StartRefused(
            f"`{spec.name}` takes no JSON and no form, so its body cannot be written here", "leave its arguments out"
        )
    media = next(
        (media for media, kind in spec.contents.items() if kind is content and "*" not in media), _MEDIA[content]
    )
    if content is Content.JSON:
        return Sent(spec.method, target, media, spell_image(placed[Place.BODY]))
    return Sent(
        spec.method, target, media, encode_pairs(tuple(_pairs(placed[Place.BODY], dialect.style))).encode("ascii")
    )


def _place_of(written: str, spec: OperationSpec) -> tuple[Place, str]:
    prefix, dot, name = written.partition(".")
    if dot and prefix in {place.value for place in Place}:
        return Place(prefix), name
    if f"{{{written}}}" in spec.path:
        return Place.PATH, written
    declared = next((place for place in (Place.BODY, Place.QUERY) if (place, written) in spec.arguments), None)
    # One that nobody declares is sent where a client would put it, to show what becomes of it.
    return declared or (Place.QUERY if spec.method in {"GET", "HEAD", "DELETE"} else Place.BODY), written


def _segments(spec: OperationSpec, key: Mapping[str, str]) -> tuple[str, ...]:
    segments = [piece for text in spec.path.strip("/").split("/") for piece in filled(text, key, spec)]
    if not all(segments):
        raise StartRefused(f"the path `{spec.path}` of `{spec.name}` is not filled", "state each argument of its path")
    return tuple(segments)


def _pairs(values: Mapping[str, object], style: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        yield from _spread(name, value, style)


def _spread(name: str, value: object, style: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for member, inner in value.items():
            yield from _spread(f"{name}[{member}]", inner, style)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _spread(f"{name}[{index}]" if style == BRACKET else name, inner, style)
    else:
        yield name, _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | Decimal) else spell_image(value).decode()
