"""
What must be true of a run: promises as a file, and a run held against them.

A promise about speed depends on the machine: the lenient profile lets half of a promised ratio pass, and twice a
promised limit, since a machine that does other things at the same time must not fail anybody's build. There a limit may
stand `beside` a figure, what the same machine took for less work in the same run: where that is above the limit
already, twice that may pass. A promise about a count holds or does not, everywhere.

No promise of a profile is passed over: one that was *not asked* is told of with its reason. That is one whose scenario
was not chosen, or which this machine cannot measure. Whoever runs a whole profile chose all of it, and there a promise
whose scenario was not run is broken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from config.faults import ConfigurationFault, Fault, Unreadable, did_you_mean
from config.shape import Places, shaped
from config.source import Trail, read_source
from config.written import Strict, read_text
from loadtest.results import Figure, Kept, Kind, Result, State

# The promises of this repository.
OURS = Path(__file__).with_name("promises.yaml")

# How far below a promised ratio, and above a promised limit, the lenient profile goes.
LENIENCE = 2.0


def read_number(written: object) -> float:
    """
    Read a number. Raises `Unreadable`.
    """
    if isinstance(written, int | Decimal | float) and not isinstance(written, bool):
        return float(written)
    raise Unreadable("this must be a number", "write digits, with a point where one is meant, without quotes or unit")


Number = Annotated[float, BeforeValidator(read_number)]
Text = Annotated[str, BeforeValidator(read_text)]


class Promise(Strict):
    """
    One promise: a figure of a scenario and its bound. `profiles` are those in which the figure is measured; `beside` is
    a figure of what the machine took for less work in the same run.
    """

    name: Text
    says: Text
    scenario: Text
    figure: Text
    at_least: Number | None = None
    at_most: Number | None = None
    kind: Kind = Kind.SPEED
    profiles: tuple[Text, ...] = ("ci", "full")
    beside: Text | None = None

    @property
    def bound(self) -> float:
        """
        Return what is promised.
        """
        return next(bound for bound in (self.at_least, self.at_most) if bound is not None)

    def needed(self, figures: Mapping[str, Figure], *, lenient: bool) -> float:
        """
        Return what a run has to show whose scenario has these figures.
        """
        if self.kind is Kind.COUNT or not lenient:
            return self.bound
        if self.at_least is not None:
            return self.bound / LENIENCE
        beside = figures.get(self.beside or "")
        return LENIENCE * max(self.bound, beside.value if beside else 0.0)


class Promises(Strict):
    """
    A file of promises.
    """

    promises: tuple[Promise, ...]


def read_promises(path: Path, scenarios: Collection[str], profiles: Collection[str] = ("ci", "full")) -> list[Promise]:
    """
    Read a file of promises about scenarios of these names.

    Raise `ConfigurationFault` with everything that is wrong in it, each with its place.
    """
    return parse(path.name, path.read_bytes(), scenarios, profiles)


def parse(name: str, raw: bytes, scenarios: Collection[str], profiles: Collection[str]) -> list[Promise]:
    """
    Read promises out of a file's bytes.
    """
    source = read_source(name, raw)
    places = Places(source)
    found, faults = shaped(Promises, source.value, (), places) if source.whole else (None, [])
    faults = [*source.faults, *faults]
    if found is not None and not faults:
        faults = list(_faults(found.promises, places, scenarios, profiles))
    if faults or found is None:
        raise ConfigurationFault(sorted(faults))
    return list(found.promises)


def _faults(
    promises: Sequence[Promise], places: Places, scenarios: Collection[str], profiles: Collection[str]
) -> Iterable[Fault]:
    seen: set[str] = set()
    for number, promise in enumerate(promises):
        at = ("promises", number)
        if promise.name in seen:
            yield places.value((*at, "name")).fault(
                f"`{promise.name}` is promised twice", "give each a name of its own"
            )
        seen.add(promise.name)
        if promise.scenario not in scenarios:
            hint = did_you_mean(promise.scenario, scenarios)
            yield places.value((*at, "scenario")).fault(f"there is no scenario `{promise.scenario[:40]}`", hint)
        yield from each_faults(promise, places, at, profiles)


def each_faults(promise: Promise, places: Places, at: Trail, profiles: Collection[str]) -> Iterable[Fault]:
    """
    Find what is wrong with one promise by itself, which nobody would ever be held to.
    """
    if (promise.at_least is None) == (promise.at_most is None):
        yield places.value(at).fault("a promise has one bound", "write `at_least:` or `at_most:`")
    if not promise.profiles:
        yield places.value((*at, "profiles")).fault("this is asked in no profile", "name one, or remove `profiles:`")
    for which, profile in enumerate(promise.profiles):
        if profile not in profiles:
            hint = did_you_mean(profile, profiles)
            yield places.value((*at, "profiles", which)).fault(f"there is no profile `{profile[:40]}`", hint)


def held(
    promises: Iterable[Promise], results: Iterable[Result], profile: str, *, lenient: bool, whole: bool = False
) -> tuple[Kept, ...]:
    """
    Hold results, those of a whole profile or of some scenarios, against all promises of the profile.
    """
    by_name: Mapping[str, Result] = {result.scenario: result for result in results}
    return tuple(
        _kept(promise, by_name.get(promise.scenario), lenient=lenient, whole=whole)
        for promise in promises
        if profile in promise.profiles
    )


def _kept(promise: Promise, result: Result | None, *, lenient: bool, whole: bool) -> Kept:
    figures = result.figures if result is not None else {}
    measured = figures.get(promise.figure) if result is not None and result.state is State.RAN else None
    found, needed, at_least = (
        measured.value if measured else None,
        promise.needed(figures, lenient=lenient),
        promise.at_most is None,
    )
    why = _unasked(promise, result) if found is None else ""
    holds = found is not None and (found >= needed if at_least else found <= needed)
    return Kept(
        name=promise.name,
        says=promise.says,
        kind=promise.kind,
        scenario=promise.scenario,
        figure=promise.figure,
        at_least=at_least,
        bound=promise.bound,
        needed=needed,
        found=found,
        # What is absent on a machine fails nobody; what a whole profile did not run does.
        held=None if why and not (whole and result is None) else holds,
        why=why,
    )


def _unasked(promise: Promise, result: Result | None) -> str:
    """
    Say why a promise cannot be asked of what its scenario came to; empty where it can.
    """
    if result is None:
        return f"{promise.scenario} was not run"
    if result.state is State.ABSENT:
        return f"{promise.scenario} is absent: {result.why}"
    missing = result.absent.get(promise.figure)
    return f"{promise.figure} is absent: {missing}" if missing is not None else ""
