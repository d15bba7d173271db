"""
A table and its overlay, joined into the catalogue that every look-up and every judgement uses.

The table says what operations there are, the overlay what a person knows beyond it; neither is trusted to fit the
other. Whatever the overlay names must exist in the table, and an amount must be an integer, a subject a read with
exactly one path parameter. Operations that share a route are aliases of each other: what the overlay says of one holds
for all of them, each takes the arguments of all, and the gravest effect of any is the effect of each, because a request
cannot say under which of its names it is meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from config.catalog import (
    WHOLE_BODY,
    Argument,
    Content,
    Effect,
    Kind,
    OperationSpec,
    Place,
    Reversibility,
    Subject,
)
from config.dialect import Dialect
from config.faults import CatalogFault, did_you_mean
from config.finding import Lost, check_identity, compile_done, compile_find, compile_marker
from config.looping import compile_habit
from config.moving import compile_amount, moved_by
from config.overlay import Curated, Overlay, WrittenSubject, read_overlay
from config.recipes import check_effect_key, compile_objects, compile_touches, compile_undo
from config.routes import Catalog, read_template, shape_of
from config.table_file import Row, Table, read_table

__all__ = ["BUNDLED", "Catalog", "compile_catalog", "load_catalog"]

_FOLDER = Path(__file__).parent / "catalogs"
_TABLE, _OVERLAY = ".table.json", ".overlay.yaml"

# The catalogues that come with the program, by name.
BUNDLED = tuple(sorted(path.name.removesuffix(_TABLE) for path in _FOLDER.glob(f"*{_TABLE}")))

_GRAVITY = (Effect.READ, Effect.WRITE, Effect.IRREVERSIBLE)

# As long as vendors remember keys of their own, and so as SDKs and people take a retry for safe.
_KEY_KEPT_H = 24
_MONEY_WINDOW_S = 24 * 3600

# An agent that repeats itself does so within its next few steps; after that it may mean it.
_EFFECT_WINDOW_S = 60

# RFC 9110 9.2.2: what was meant is the same however often it is asked for.
_IDEMPOTENT = frozenset({"PUT", "DELETE"})

Group = tuple[str, ...]
"""Names that share a route, sorted."""


def load_catalog(name_or_path: str, base_dir: Path) -> Catalog:
    """
    Load a bundled catalogue by name, or the table at a path ending in `.json` with the overlay beside it.

    `NAME.table.json` or `NAME.json` is overlaid by `NAME.overlay.yaml`, where that exists. Raise `CatalogFault` for an
    unknown name, an unreadable file, and everything in either file that cannot hold.
    """
    if name_or_path in BUNDLED:
        path = _FOLDER / f"{name_or_path}{_TABLE}"
    elif name_or_path.endswith(".json"):
        path = base_dir / name_or_path
    else:
        hint = did_you_mean(name_or_path, BUNDLED) or "give a bundled name, or a path that ends in .json"
        raise CatalogFault(f"there is no catalogue `{name_or_path}`", hint)
    overlay = path.with_name(path.name.removesuffix(".json").removesuffix(".table") + _OVERLAY)
    return compile_catalog(_bytes(path), _bytes(overlay) if overlay.exists() else b"", overlay.name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failed:
        raise CatalogFault(f"{path} cannot be read: {failed.strerror}", "check the path and its permissions") from None


@lru_cache(maxsize=8)
def compile_catalog(table_bytes: bytes, overlay_bytes: bytes, overlay_name: str = "the overlay") -> Catalog:
    """
    Join a table and an overlay; the same bytes give the same catalogue, which nothing can change.
    """
    table = read_table(table_bytes)
    overlay = read_overlay(overlay_name, overlay_bytes) if overlay_bytes else Overlay()
    rows = {row.name: row for row in table.operations}
    if len(rows) < len(table.operations):
        raise CatalogFault("the table has two operations of one name")
    if unknown := next((name for name in overlay.operations if name not in rows), None):
        raise CatalogFault(f"{overlay_name}: there is no operation `{unknown}`", did_you_mean(unknown, rows))
    joining = _Joining(table, overlay, overlay_name, rows)
    specs = [spec for group in joining.groups() for spec in joining.specs(group)]
    digest = hashlib.sha256(table_bytes + b"\x00" + overlay_bytes).hexdigest()
    return Catalog.build(table.name, joining.dialect(), specs, digest, joining.objects)


class _Joining:
    """
    One table and one overlay while they become one.
    """

    def __init__(self, table: Table, overlay: Overlay, overlay_name: str, rows: Mapping[str, Row]) -> None:
        self._table, self._overlay, self._overlay_name, self._rows = table, overlay, overlay_name, rows
        self._interned: dict[Argument, Argument] = {}
        try:
            self.objects = compile_objects(overlay.objects, rows)
            check_identity(overlay.dialect.identity, rows)
        except CatalogFault as fault:
            raise CatalogFault(f"{overlay_name}: {fault}", fault.hint) from None

    def dialect(self) -> Dialect:
        """
        Return the overlay's manners, over what the table itself knows.
        """
        dialect, table = self._overlay.dialect, self._table
        origins = {**dict.fromkeys(sorted({row.base for row in table.operations})), **table.servers, **dialect.origins}
        title = dialect.title or table.title or table.name
        return dialect.model_copy(update={"title": title, "origins": origins})

    def groups(self) -> Iterator[Group]:
        """
        Yield the names that share a route, because their templates match the same paths or the overlay says so.
        """
        routes: dict[tuple[str, str, str], list[str]] = {}
        for row in self._rows.values():
            template = read_template(row.path, row.multi_segment)
            routes.setdefault((row.base, row.method, shape_of(template)), []).append(row.name)
        leader = {name: names[0] for names in routes.values() for name in names}
        for name, curated in self._overlay.operations.items():
            if curated.alias_of is not None:
                self._declared_alias(name, curated.alias_of)
                old, new = leader[name], leader[curated.alias_of]
                leader = {held: new if lead == old else lead for held, lead in leader.items()}
        groups: dict[str, list[str]] = {}
        for name, lead in leader.items():
            groups.setdefault(lead, []).append(name)
        return (tuple(sorted(names)) for names in groups.values())

    def _declared_alias(self, name: str, other: str) -> None:
        if other not in self._rows:
            raise self._fault(name, f"`alias_of` names no operation: `{other}`", did_you_mean(other, self._rows))
        one, two = self._rows[name], self._rows[other]
        if (one.base, one.method) != (two.base, two.method):
            raise self._fault(name, f"`{other}` has another base or method, so it cannot be an alias")

    def specs(self, group: Group) -> Iterator[OperationSpec]:
        """
        Yield the operations of one route, each under its own name and template.
        """
        shared = self._shared(group)
        for name in group:
            aliases = tuple(alias for alias in group if alias != name)
            row = self._rows[name]
            kept = self._key_kept_s(group, row)
            yield replace(shared, name=name, path=row.path, aliases=aliases, honours_key=kept > 0, key_kept_s=kept)

    def _shared(self, group: Group) -> OperationSpec:
        curated = self._curated(group)
        rows = [self._rows[name] for name in group]
        arguments = self._arguments(rows, curated)
        contents = {media: shape for row in rows for media, shape in row.content.items()} | curated.content
        if curated.whole_body and (Content.JSON not in contents.values() or curated.whole_body is Kind.OBJECT):
            raise self._fault(group[0], "`whole_body` is the type of a JSON body that is no object")
        try:
            amount = compile_amount(curated, arguments)
        except CatalogFault as fault:
            raise self._fault(group[0], str(fault), fault.hint) from None
        effect = max((row.effect for row in rows), key=_GRAVITY.index)
        spec = OperationSpec(
            api=self._table.name,
            name=group[0],
            method=rows[0].method,
            path=rows[0].path,
            base=rows[0].base,
            effect=curated.effect or effect,
            contents=MappingProxyType(contents),
            arguments=arguments,
            amount=amount,
            **moved_by(curated, self._overlay.dialect, contents),
            subjects=tuple(self._subject(group, subject, arguments) for subject in curated.subjects),
            reversibility=curated.reversibility or Reversibility.UNKNOWN,
            never_store=tuple(dict.fromkeys((*self._overlay.dialect.never_store, *curated.never_store))),
            body_bytes_max=curated.body_bytes_max,
            open_body=all(row.open_body for row in rows),
            note=curated.note,
            shows=tuple(shown for shown in self.objects.values() if shown.read in group),
            effect_window_s=_window(curated),
            curated=any(name in self._overlay.operations for name in group),
        )
        spec = self._with_recipes(spec, group, curated)
        return replace(spec, probe_safe=self._probe_safe(spec, group, curated))

    def _probe_safe(self, spec: OperationSpec, group: Group, curated: Curated) -> bool:
        """
        Tell whether a write may be what an ailing upstream is tried with: made twice, it leaves what it does once.
        """
        plain = spec.effect is Effect.WRITE
        if curated.probe_safe and not plain:
            raise self._fault(self._said_of(group), "`probe_safe` is for writes that can be undone", "", "probe_safe")
        if curated.probe_safe is not None:
            return curated.probe_safe
        return plain and spec.method in _IDEMPOTENT and not spec.makes_anew

    def _with_recipes(self, spec: OperationSpec, group: Group, curated: Curated) -> OperationSpec:
        """
        Return an operation with what it touches, how it is made up for, and how a lost one is found.
        """
        overlay, arguments = self._overlay, spec.arguments
        section = "touches"
        try:
            touches = compile_touches(curated, spec.method, arguments, self.objects, overlay.dialect.shaping)
            section = "undo"
            undo = compile_undo(curated, arguments, self._rows, touches)
            section = "effect_key"
            effect_key = check_effect_key(curated.effect_key, arguments)
            section = "find"
            lost = Lost(arguments, touches, overlay.dialect.shaping, overlay.dialect.lag_s)
            find = compile_find(curated, overlay.lists, self._rows, lost)
            section = "marker"
            marker = compile_marker(curated, overlay.markers, arguments)
            section = "done"
            done = compile_done(curated, touches)
            section = "poll" if curated.poll else "volatile"
            reads = spec.effect is Effect.READ
            habit = compile_habit(curated, arguments, self.objects, spec.subjects, touches, reads=reads)
        except CatalogFault as fault:
            raise self._fault(self._said_of(group), str(fault), fault.hint, section) from None
        return replace(
            spec,
            touches=touches,
            undo=undo,
            effect_key=effect_key,
            find=find,
            unfound=curated.find if isinstance(curated.find, str) else "",
            answers_other=curated.answers == "other",
            marker=marker,
            done=done,
            habit=habit,
        )

    def _curated(self, group: Group) -> Curated:
        said = {name: self._overlay.operations[name] for name in group if name in self._overlay.operations}
        more = [name for name, curated in said.items() if curated.model_fields_set - {"alias_of", "note"}]
        if len(more) > 1:
            raise self._fault(more[1], f"it shares its route with `{more[0]}`: curate one of the two")
        return said[more[0]] if more else Curated()

    def _said_of(self, group: Group) -> str:
        """
        Return the name of a route under which the overlay says something of it.
        """
        return next((name for name in group if name in self._overlay.operations), group[0])

    def _key_kept_s(self, group: Group, row: Row) -> int:
        """
        Return for how many seconds at least an idempotency key is honoured: none where it is not.
        """
        rules = [rule for rule in self._overlay.dialect.honours_key if rule.covers(row.method, row.base, row.path)]
        told = self._curated(group).honours_key
        if told is False or not (told or rules):
            return 0
        return max((rule.kept_h for rule in rules), default=_KEY_KEPT_H) * 3600

    def _arguments(self, rows: Iterable[Row], curated: Curated) -> Mapping[tuple[Place, str], Argument]:
        found: dict[tuple[Place, str], Argument] = {}
        for row in rows:
            for place, held in row.arguments.items():
                for name, kind in held.items():
                    spans = place is Place.PATH and name in row.multi_segment
                    other = found.get((place, name))
                    argument = Argument(name, place, Kind.ANY if other and other.kind is not kind else kind, spans)
                    found[place, name] = self._interned.setdefault(argument, argument)
        if curated.whole_body is not None:
            found[Place.BODY, WHOLE_BODY] = Argument(WHOLE_BODY, Place.BODY, curated.whole_body)
        return MappingProxyType(found)

    def _subject(
        self, group: Group, written: WrittenSubject, arguments: Mapping[tuple[Place, str], Argument]
    ) -> Subject:
        if (written.place, written.by) not in arguments:
            fault = f"it has no {written.place} argument `{written.by}`"
            raise self._fault(group[0], fault, _like(written.by, arguments))
        read = self._rows.get(written.operation)
        if read is None:
            hint = did_you_mean(written.operation, self._rows)
            raise self._fault(group[0], f"the subject read `{written.operation}` is no operation", hint)
        if read.effect is not Effect.READ:
            raise self._fault(group[0], f"the subject read `{read.name}` is not a read")
        if list(read.arguments.get(Place.PATH, ())) != [written.parameter]:
            raise self._fault(group[0], f"`{written.parameter}` is not the one path parameter of `{read.name}`")
        bound = tuple((1 if term[0] == "+" else -1, term[1:]) for term in written.bound)
        query = tuple(written.query.items())
        where = tuple((at, tuple(held) if isinstance(held, list) else (held,)) for at, held in written.where.items())
        return Subject(
            written.by, written.place, written.operation, written.parameter, query, written.currency, bound, where
        )

    def _fault(self, name: str, what: str, hint: str = "", section: str = "") -> CatalogFault:
        place = self._overlay.place("operations", name, section) or self._overlay_name
        return CatalogFault(f"{place}: `{name}`: {what}", hint)


def _window(curated: Curated) -> int:
    """
    Return within how many seconds a second equal effect is suspected of being a duplicate.
    """
    if curated.effect_window is not None:
        return curated.effect_window
    if curated.amount is not None and not curated.amount.offered:
        return _MONEY_WINDOW_S
    return _EFFECT_WINDOW_S if curated.effect_key else 0


def _like(name: str, arguments: Mapping[tuple[Place, str], Argument]) -> str:
    return did_you_mean(name, (known for _, known in arguments))
