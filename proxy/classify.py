"""
Stage 3: which operation a request is, and what its arguments are.

A route decides the operation; the catalogue decides the types. Typing here never refuses a value for its type: an
SDK's own unions are flattened in a catalogue (Stripe's `trial_end=now`, `metadata=`), so a value of another type keeps
the form in which it came and is named as mistyped, and whoever reads it in a rule, a limit or an amount refuses it.

Refused are arguments that two parsers could read differently, and undeclared ones where being wrong costs most: on an
operation that moves money or cannot be undone, and a query argument that the operation declares for its body, because
many servers merge the two. Undeclared members elsewhere are named and leave as they came. Where an operation's body is
open, so that its members are what the caller is told to make up, they are arguments like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakers.call import Body, Form, Json, Multipart, Operation, Part
from breakers.verdict import Reason
from config.catalog import WHOLE_BODY, Effect, Kind, OperationSpec, Place
from config.routes import Catalog, Match
from proxy.canonical.kinds import FROM_BRACKETS, FROM_JSON, FROM_PLAIN, MISTYPED, Conversion
from proxy.canonical.names import gather, nest
from proxy.canonical.pairs import Pairs, refuse_steering
from proxy.canonical.spelling import spelled
from proxy.canonical.target import Target
from proxy.errors import Refused

BRACKET = "bracket"

# Undeclared arguments in one call. Each is named, because a rule may forbid it; the most custom fields that a Jira
# screen shows are some hundreds.
UNDECLARED_MAX = 512


def classify(catalog: Catalog, base: str, method: str, target: Target) -> Match:
    """
    Return the operation that a request is, or refuse it as unknown.
    """
    match = catalog.match(base, method, target.segments)
    if match is None:
        because = catalog.refused(target.segments) or "No operation of this API has this method and path."
        raise Refused(Reason.OPERATION_UNKNOWN, because)
    return match


def type_arguments(match: Match, query: Pairs, body: Body, style: str) -> Operation:
    """
    Return the operation with its typed arguments; `style` is the dialect's way to spell nested names.
    """
    typing = _Typing(match.spec, style)
    if match.path:
        typing.take(Place.PATH, match.path, FROM_BRACKETS)
    if query:
        typing.take(Place.QUERY, typing.tree(Place.QUERY, query), typing.texts)
    if body is not None:
        typing.take_body(body)
    if typing.undeclared:
        _refuse_undeclared(match.spec, typing.undeclared)
    return Operation(match.spec, typing.arguments, tuple(typing.mistyped), tuple(typing.undeclared))


class _Typing:
    """
    One request's arguments while they are typed.
    """

    __slots__ = ("arguments", "mistyped", "spec", "style", "texts", "undeclared")

    def __init__(self, spec: OperationSpec, style: str) -> None:
        self.spec = spec
        self.style = style
        self.texts = FROM_BRACKETS if style == BRACKET else FROM_PLAIN
        self.arguments: dict[tuple[Place, str], object] = {}
        self.mistyped: list[str] = []
        self.undeclared: list[str] = []

    def tree(self, place: Place, pairs: Pairs) -> Mapping[str, object]:
        """
        Return the values that a query's or a form's names spell in this style.
        """
        reason = Reason.QUERY_MALFORMED if place is Place.QUERY else Reason.BODY_MALFORMED
        if self.style == BRACKET:
            return nest(pairs, reason)
        return gather(pairs, lambda name: self._is_array(place, name), reason)

    def _is_array(self, place: Place, name: str) -> bool:
        declared = self.spec.arguments.get((place, name))
        return declared is not None and declared.kind is Kind.ARRAY

    def take_body(self, body: Body) -> None:
        """
        Type the arguments that a body holds; opaque bytes hold none.
        """
        match body:
            case Form(pairs):
                self.take(Place.BODY, self.tree(Place.BODY, pairs), self.texts)
            case Multipart(parts):
                self.take(Place.BODY, self._of_parts(parts), self.texts)
            case Json(value) if isinstance(value, dict):
                for name in value:
                    refuse_steering(name, Reason.BODY_MALFORMED)
                self.take(Place.BODY, value, FROM_JSON)
            case Json(value):
                self._take_whole(value)
            case _:
                pass

    def _take_whole(self, value: object) -> None:
        declared = self.spec.arguments.get((Place.BODY, WHOLE_BODY))
        if declared is None:
            self._leave_undeclared(Place.BODY, WHOLE_BODY)
            return
        typed = FROM_JSON[declared.kind](value)
        if typed is MISTYPED:
            self.mistyped.append(f"{Place.BODY}.{WHOLE_BODY}")
            typed = value
        self.arguments[Place.BODY, WHOLE_BODY] = typed

    def _of_parts(self, parts: tuple[Part, ...]) -> Mapping[str, object]:
        fields = tuple([(part.name, part.data.decode("utf-8")) for part in parts if part.filename is None])
        files = {part.name: part for part in parts if part.filename is not None}
        values = self.tree(Place.BODY, fields)
        for name in files:
            if name in values or (self.style == BRACKET and ("[" in name or "]" in name)):
                raise Refused(Reason.BODY_MALFORMED, f"The file `{spelled(name)}` stands where a field could be read.")
        return {**values, **files}

    def take(self, place: Place, values: Mapping[str, object], conversions: Mapping[Kind, Conversion]) -> None:
        """
        Type `values` as declared for `place`; a path argument that nothing declares is a string.
        """
        declared, arguments = self.spec.arguments, self.arguments
        for name, value in values.items():
            key = (place, name)
            # A member without a name is not the whole body, whose name is empty too.
            argument = declared.get(key) if name != WHOLE_BODY else None
            if argument is None:
                if place is Place.PATH or (place is Place.BODY and self._is_open(name)):
                    arguments[key] = value
                else:
                    self._leave_undeclared(place, name)
                continue
            typed = conversions[argument.kind](value)
            if typed is MISTYPED:
                self.mistyped.append(f"{place}.{name}")
                typed = value
            arguments[key] = typed

    def _is_open(self, name: str) -> bool:
        # Many servers merge the body with the query and the path: what is declared there stays undeclared here.
        elsewhere = any((place, name) in self.spec.arguments for place in Place)
        return self.spec.open_body and name != WHOLE_BODY and not elsewhere

    def _leave_undeclared(self, place: Place, name: str) -> None:
        # A name that is declared elsewhere stays exact, so that a rule on it finds it.
        known = any((elsewhere, name) in self.spec.arguments for elsewhere in Place)
        self.undeclared.append(f"{place}.{name if known else spelled(name)}")
        if len(self.undeclared) > UNDECLARED_MAX:
            raise Refused(
                Reason.ARGUMENT_UNDECLARED,
                f"The request has more than {UNDECLARED_MAX} arguments that `{self.spec.name}` does not declare.",
            )
        bare, bracket, _ = name.partition("[")
        if bracket and self.style != BRACKET and place is Place.QUERY and (place, bare) in self.spec.arguments:
            raise Refused(
                Reason.QUERY_MALFORMED, f"Some servers would read `{spelled(name)}` as `{spelled(bare)}`; send that."
            )
        for_body = place is Place.QUERY and (Place.BODY, name) in self.spec.arguments
        if for_body and self.spec.effect is not Effect.READ:
            raise Refused(
                Reason.ARGUMENT_UNDECLARED,
                f"`{self.spec.name}` takes `{spelled(name)}` in its body; some servers would read it here as well.",
            )


def _refuse_undeclared(spec: OperationSpec, undeclared: list[str]) -> None:
    if not spec.moves_money and spec.effect is not Effect.IRREVERSIBLE:
        return
    why = "moves money" if spec.moves_money else "cannot be undone"
    raise Refused(
        Reason.ARGUMENT_UNDECLARED,
        f"`{spec.name}` {why} and does not declare `{undeclared[0]}`; take it out of the request.",
    )
