"""
Lists and expansion: the two manners that every v1 answer shares.

A page is cut from objects that stand newest first; `starting_after` and `ending_before` name an object that must exist.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.upstreams.stripe.account import Account, T
from loadtest.upstreams.stripe.errors import ApiError, missing
from loadtest.upstreams.stripe.params import Params
from loadtest.upstreams.stripe.shapes import Shape, shape

# Stripe's own default and bound for a page.
_LIMIT_DEFAULT = 10
_LIMIT_MAX = 100

# Stripe expands at most this deep.
_EXPAND_DEPTH_MAX = 4


def page(account: Account, things: Sequence[T], params: Params, url: str, noun: str) -> Shape:
    """
    Read the paging parameters, the last that a list takes, and return the page.
    """
    limit = params.integer("limit", least=1)
    after, before = params.text("starting_after"), params.text("ending_before")
    bounds = params.mapping("created")
    params.finish()
    if limit is not None and limit > _LIMIT_MAX:
        raise ApiError(400, f"This value must be less than or equal to {_LIMIT_MAX}.", param="limit")
    if after and before:
        raise ApiError(400, "You may only specify one of these parameters: starting_after, ending_before.")
    things = [thing for thing in things if _within(thing.created, bounds)]
    size = limit or _LIMIT_DEFAULT
    if before:
        stop = _position(things, before, noun, "ending_before")
        start = max(0, stop - size)
        cut, more = things[start:stop], start > 0
    else:
        start = _position(things, after, noun, "starting_after") + 1 if after else 0
        cut, more = things[start : start + size], len(things) > start + size
    return {"object": "list", "data": [shape(account, thing) for thing in cut], "has_more": more, "url": url}


def _position(things: Sequence[T], id_: str, noun: str, param: str) -> int:
    for position, thing in enumerate(things):
        if thing.id == id_:
            return position
    raise missing(noun, id_, param)


def _within(created: int, bounds: dict[str, object]) -> bool:
    checks = {
        "gt": lambda bound: created > bound,
        "gte": lambda bound: created >= bound,
        "lt": lambda bound: created < bound,
        "lte": lambda bound: created <= bound,
    }
    for word, bound in bounds.items():
        if word not in checks or not str(bound).isdigit():
            raise ApiError(400, f"Invalid timestamp: created[{word}]", param=f"created[{word}]")
    return all(checks[word](int(str(bound))) for word, bound in bounds.items())


def expanded(account: Account, answer: Shape, paths: Sequence[str]) -> Shape:
    """
    Replace the ids at the given paths by the objects that they name.
    """
    for path in paths:
        keys = path.split(".")
        if len(keys) > _EXPAND_DEPTH_MAX:
            raise ApiError(400, "You cannot expand more than 4 levels of a property.", param="expand")
        _expand(account, answer, keys, path)
    return answer


def _expand(account: Account, node: object, keys: list[str], path: str) -> None:
    if isinstance(node, list):
        for each in node:
            _expand(account, each, keys, path)
        return
    if not isinstance(node, dict) or keys[0] not in node:
        raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
    value = node[keys[0]]
    if isinstance(value, str):
        if value not in account.things:
            raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand")
        node[keys[0]] = shape(account, account.things[value])
    if len(keys) > 1 and node[keys[0]] is not None:
        _expand(account, node[keys[0]], keys[1:], path)
