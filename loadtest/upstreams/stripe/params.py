"""
Request parameters: bracket names become a tree, and every read of one checks its type.

What a handler did not read by the time it calls `finish` is an unknown parameter, which Stripe refuses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from loadtest.upstreams.stripe.errors import ApiError

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY = re.compile(r"\[([^\[\]]*)\]")

Tree = dict[str, object]


@dataclass(frozen=True, slots=True)
class Upload:
    """
    A part of a multipart form that is a file.
    """

    filename: str
    data: bytes


def parse_form(text: str) -> Tree:
    """
    Parse a form or a query whose names are spelled with brackets; the last of two equal names wins, as at Stripe.
    """
    root: Tree = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        whole = _NAME.fullmatch(name)
        if whole is None:
            raise ApiError(400, f"Invalid parameter name: {name}", param=name)
        _plant(root, [whole[1], *_KEY.findall(whole[2])], value, name)
    return {name: _lists(value) for name, value in root.items()}


def _plant(root: Tree, keys: list[str], value: str, name: str) -> None:
    node = root
    for key in keys[:-1]:
        inner = node.setdefault(key or str(len(node)), {})
        if not isinstance(inner, dict):
            raise ApiError(400, f"Invalid parameter: {name} is both a value and a hash", param=name)
        node = inner
    node[keys[-1] or str(len(node))] = value


def _lists(value: object) -> object:
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(each) for key, each in value.items()}
    if inner and list(inner) == [str(index) for index in range(len(inner))]:
        return list(inner.values())
    return inner


class Params:
    """
    The parameters of one request, read by name and type.
    """

    def __init__(self, tree: Tree) -> None:
        self._left = dict(tree)
        raw = self._left.pop("expand", [])
        self.expand = [str(path) for path in raw] if isinstance(raw, list) else [str(raw)]

    def has(self, name: str) -> bool:
        """
        Tell whether the parameter is there and was not read yet.
        """
        return name in self._left

    def text(self, name: str) -> str | None:
        """
        Take a string; an empty one unsets, which reads as None.
        """
        value = self._left.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise ApiError(400, f"Invalid string: {name}", param=name)
        return value or None

    def choice(self, name: str, *choices: str) -> str | None:
        """
        Take one of a few words.
        """
        value = self.text(name)
        if value is not None and value not in choices:
            raise ApiError(400, f"Invalid {name}: must be one of {', '.join(choices)}", param=name)
        return value

    def required(self, name: str) -> str:
        """
        Take a string that must be there.
        """
        value = self.text(name)
        if value is None:
            raise ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
        return value

    def integer(self, name: str, least: int = 0) -> int | None:
        """
        Take a whole number of at least `least`.
        """
        value = self._left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, (str, int)) or not re.fullmatch(r"-?\d{1,12}", str(value)):
            raise ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        if int(value) < least:
            raise ApiError(400, f"This value must be greater than or equal to {least}.", param=name)
        return int(value)

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """
        Take `true` or `false`.
        """
        value = self._left.pop(name, None)
        if value is None:
            return default
        if str(value).lower() not in {"true", "false"}:
            raise ApiError(400, f"Invalid boolean: {value}", param=name)
        return str(value).lower() == "true"

    def mapping(self, name: str) -> dict[str, object]:
        """
        Take a hash; an empty string is an empty one.
        """
        value = self._left.pop(name, None)
        if value is None or value == "":
            return {}
        if not isinstance(value, dict):
            raise ApiError(400, f"Invalid hash: {name}", param=name)
        return value

    def listing(self, name: str) -> list[object]:
        """
        Take an array.
        """
        value = self._left.pop(name, None)
        if value is None or value == "":
            return []
        if not isinstance(value, list):
            raise ApiError(400, f"Invalid array: {name}", param=name)
        return value

    def upload(self, name: str) -> Upload:
        """
        Take a file that must be there.
        """
        value = self._left.pop(name, None)
        if not isinstance(value, Upload):
            raise ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
        return value

    def metadata(self, onto: dict[str, str]) -> dict[str, str]:
        """
        Take `metadata` merged onto what an object has; an empty value unsets its key, an empty string unsets all.
        """
        if self._left.get("metadata") == "":
            self._left.pop("metadata")
            return {}
        merged = onto | {key: str(value) for key, value in self.mapping("metadata").items()}
        return {key: value for key, value in merged.items() if value}

    def finish(self) -> None:
        """
        Refuse whatever nobody asked for: from here on the request is executed.
        """
        for name in self._left:
            raise ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
