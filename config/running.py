"""The examples of a condition: read from where they stand, held against the operation, and run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from config.asked import values_of
from config.catalog import Kind, OperationSpec, Place
from config.conditions import EXAMPLES_MAX, Condition, Example, unknown_look
from config.expressions import ROOTS, Unanswerable
from config.faults import Fault, did_you_mean
from config.policy import Rule, arguments_named, bare_name
from config.shape import Places, shaped
from config.source import Trail, read_source

# The moment of examples that say none, of conditions that do not ask for it.
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)

_TASK = ("id", "record", "model", "prompt")


@dataclass(frozen=True, slots=True)
class Ran:
    """
    The rule whose conditions are tried, and in whose card it stands.
    """

    agent: str
    api: str
    zone: str
    rule: Rule
    specs: tuple[OperationSpec, ...]
    folder: Path
    read: Callable[[Path], bytes]


def gathered(at: Trail, name: str, condition: Condition, ran: Ran, places: Places, *, runs: bool) -> Iterator[Fault]:
    """
    Yield the faults of a condition's examples; with `runs` they are run, too.
    """
    here = places.value(at)
    faults: list[Fault] = []
    written, inside, trail = condition.examples, places, at
    if isinstance(written, str):
        file = ran.folder / written
        try:
            source = read_source(str(file), ran.read(file))
        except OSError as error:
            yield here.fault(f"`{written[:80]}` cannot be read: {error.strerror}", "it is relative to this folder")
            return
        inside, trail = Places(source), ("examples",)
        written, wrong = source.value.get("examples"), [*source.faults]
        if not wrong and (not isinstance(written, list) or len(source.value) > 1):
            wrong = [inside.value(("examples",)).fault("a file of examples holds one list", "begin with `examples:`")]
        if wrong or not isinstance(written, list):
            yield from wrong
            return
        if len(written) > EXAMPLES_MAX:
            faults.append(here.fault(f"a condition has at most {EXAMPLES_MAX} examples", "keep those that differ"))
    made: set[bool] = set()
    for index, one in enumerate(written):
        spot: Trail = (*trail, index)
        example, wrong = shaped(Example, _thawed(one), spot, inside)
        faults += wrong
        if example is None or wrong:
            continue
        made.add(example.makes)
        faults += _known(spot, example, ran, inside) or (
            _said(spot, name, condition, example, ran, inside) if runs else []
        )
    yield from faults
    for kind in () if any(faults) else sorted({True, False} - made):
        yield here.fault(f"`{name}` has no example that makes it {str(kind).lower()}", "add one: a call that shows it")


def _thawed(value: object) -> object:
    # What was frozen for the card is shaped as it was written.
    if isinstance(value, Mapping):
        return {name: _thawed(one) for name, one in value.items()}
    return [_thawed(one) for one in value] if isinstance(value, list | tuple) else value


def _spec(example: Example, ran: Ran) -> OperationSpec | None:
    if example.operation is None:
        return ran.specs[0]
    return next((spec for spec in ran.specs if example.operation in spec.names), None)


def _known(at: Trail, example: Example, ran: Ran, places: Places) -> list[Fault]:
    spec = _spec(example, ran)
    if spec is None:
        known = {name for one in ran.specs for name in one.names}
        message = f"this rule allows no operation `{str(example.operation)[:80]}`"
        return [places.value((*at, "operation")).fault(message, did_you_mean(str(example.operation), known))]
    faults = []
    for name, value in example.args.items():
        found, here = arguments_named(spec, name), places.key((*at, "args", name))
        if not found and not spec.open_body:
            hint = did_you_mean(bare_name(name), {declared for _, declared in spec.arguments})
            faults.append(here.fault(f"`{spec.name}` has no argument `{name[:60]}`", hint))
        elif len(found) > 1:
            faults.append(here.fault(f"`{name}` stands in several places of `{spec.name}`", f"write `body.{name}`"))
        elif found and not _is_of(found[0].kind, value):
            faults.append(here.fault(f"`{name}` is of kind {found[0].kind}, and this is not", "write it as it is sent"))
    faults += [
        places.key((*at, "look", name)).fault(*unknown_look(name, ran.rule.look))
        for name in example.look
        if name not in ran.rule.look
    ]
    faults += [
        places.key((*at, "task", name)).fault(f"a task has no `{name[:40]}`", did_you_mean(name, _TASK))
        for name in example.task
        if name not in _TASK
    ]
    return faults


def _is_of(kind: Kind, value: object) -> bool:
    match kind:
        case Kind.STRING:
            return isinstance(value, str)
        case Kind.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.NUMBER:
            return not isinstance(value, bool | str | tuple | list | Mapping) and value is not None
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case Kind.ARRAY:
            return isinstance(value, list | tuple)
        case Kind.OBJECT:
            return isinstance(value, Mapping)
        case Kind.ANY:
            return True


def _said(at: Trail, name: str, condition: Condition, example: Example, ran: Ran, places: Places) -> list[Fault]:
    here, when, spec = places.value(at), condition.when, _spec(example, ran)
    assert spec is not None
    if example.now is None and {"now", "local"} & when.reads.roots.keys():
        return [here.fault(f"`{name}` asks for the time", 'add `now: "2026-11-21T10:00:00Z"`')]
    values = _values(example, spec, ran)
    for look in when.reads.members("look"):
        for terms in ran.rule.look[look].values():
            for argument, term in terms.items():
                if isinstance(taken := term.says(values), Unanswerable):
                    message = f"`look.{look}` cannot be made for this example: of `{argument}`, {taken.why}"
                    return [here.fault(message, "add the argument that it is taken from")]
    said = when.holds(values)
    if isinstance(said, Unanswerable):
        message = f"`{name}` says nothing of this example: {said.why}"
        return [here.fault(message, "write what the call and the API show")]
    if said is example.makes:
        return []
    says, wanted = str(said).lower(), str(example.makes).lower()
    return [here.fault(f"this example makes `{name}` {says}, not {wanted}", "correct the example, or the condition")]


def _values(example: Example, spec: OperationSpec, ran: Ran) -> Mapping[str, object]:
    arguments: dict[tuple[Place, str], object] = {}
    for written, value in example.args.items():
        places = [one.place for one in arguments_named(spec, written)] or [Place.BODY]
        arguments[places[0], bare_name(written)] = value
    task = {"id": f"{ran.agent}/example", "opened": bool(example.task), **example.task}
    words = {"agent": ran.agent, "api": ran.api, "operation": spec.name, "method": spec.method}
    return values_of(
        arguments,
        words=words,
        task=task,
        at=example.now or _ANY_TIME,
        zone=ran.zone,
        looks=example.look,
        moved=example.moved,
        wanted=ROOTS,
    )
