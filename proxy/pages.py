"""
Lists that come in pages: whether an answer says that there is more, where, and several pages as one answer.

A list that is not whole proves nothing: "no dispute" may be on the next page. So what is looked up is read to its end,
or nothing is known. Inside an object a list that is not whole takes nothing away from the rest: its elements become
`null`, so that whoever asks about them gets no answer, and whoever does not is not disturbed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from config.dialect import Continues, point_at

Pairs = tuple[tuple[str, str], ...]

_NEXT = re.compile(r'<([^<>]*)>[^<>]*?;\s*rel\s*=\s*"?([^";,]*)"?')


def goes_on(answer: object, headers: Pairs, signs: tuple[Continues, ...]) -> Continues | None:
    """
    Return the sign by which an answer says that its list goes on; None as it is whole.
    """
    return next((sign for sign in signs if _says(sign, answer) or (sign.link and _next_link(headers))), None)


def next_query(answer: object, headers: Pairs, sign: Continues, query: Pairs) -> Pairs | None:
    """
    Return the query of the page after this one, or None where nothing says what it is.
    """
    if sign.link:
        return tuple(parse_qsl(urlsplit(_next_link(headers) or "").query, keep_blank_values=True))
    at = _position(answer, sign)
    if not sign.parameter or at is None:
        return None
    return (*((name, value) for name, value in query if name != sign.parameter), (sign.parameter, at))


def _position(answer: object, sign: Continues) -> str | None:
    items = items_of(answer)
    if sign.token is not None:
        return str(point_at(answer, sign.token))
    if items is None or not items:
        return None
    if sign.id is not None:
        found = point_at(items[-1], sign.id)
        return found if isinstance(found, str) else None
    start = point_at(answer, f"/{sign.parameter}")
    return str(start + len(items)) if isinstance(start, int) else None


def joined(first: object, second: object) -> object | None:
    """
    Return two pages of a list as one answer, or None where nobody can tell where the list stands in them.
    """
    before, after = items_of(first), items_of(second)
    if before is None or after is None:
        return None
    both = [*before, *after]
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        return both
    name = next(name for name, value in first.items() if value is before)
    return {**second, name: both} if second.get(name) is after else None


def items_of(answer: object) -> list[object] | None:
    """
    Return the list that an answer is or holds, where it holds one.
    """
    if isinstance(answer, list):
        return answer
    lists = [value for value in answer.values() if isinstance(value, list)] if isinstance(answer, dict) else []
    return lists[0] if len(lists) == 1 else None


def without_parts(answer: object, signs: tuple[Continues, ...]) -> object:
    """
    Return an answer whose inner lists are whole or `null`.
    """
    if isinstance(answer, list):
        return [_inner(one, signs) for one in answer]
    if isinstance(answer, dict):
        return {name: _inner(value, signs) for name, value in answer.items()}
    return answer


def _inner(value: object, signs: tuple[Continues, ...]) -> object:
    if isinstance(value, list):
        return [_inner(one, signs) for one in value]
    if not isinstance(value, dict):
        return value
    cut = any(_says(sign, value) for sign in signs)
    return {name: None if cut and isinstance(inner, list) else _inner(inner, signs) for name, inner in value.items()}


def _says(sign: Continues, answer: object) -> bool:
    if sign.more is not None:
        return point_at(answer, sign.more) is True
    if sign.last is not None:
        return point_at(answer, sign.last) is False
    if sign.token is not None:
        return isinstance(point_at(answer, sign.token), str)
    if sign.total is None:
        return False
    total, start = point_at(answer, sign.total), point_at(answer, f"/{sign.parameter}")
    if not isinstance(total, int) or not isinstance(start, int):
        return False
    items = items_of(answer)
    return start + (len(items) if items is not None else 0) < total


def _next_link(headers: Pairs) -> str | None:
    for name, value in headers:
        for url, relations in _NEXT.findall(value) if name == "link" else ():
            if "next" in relations.lower().split():
                return str(url)
    return None
