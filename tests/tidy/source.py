"""
The repository as the tidy checks see it: files with their text and syntax tree, and what a file imports.

Every check is a plain function from a root folder to a list of findings, each one clear line, so that it can be tried
on a planted tree as well as on the repository.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHIPPED = ("config", "breakers", "proxy")
ROOMS = (*SHIPPED, "loadtest", "tests")

# The one file that imports by name: the modules that its table names, each when its command is called.
TABLE = "proxy/cli/__init__.py"
_MODULE = re.compile(rf"(?:{'|'.join(ROOMS)})(?:\.[a-z_]+)+")

# The one hidden folder that a person wrote; tools make the others.
_WRITTEN = ".ci"


@dataclass(frozen=True)
class Source:
    """
    One Python file: its path below the root and its text; its tree, which is parsed only where somebody asks for it.
    """

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """
        Return the syntax tree.
        """
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """
        Return every node of the tree, what stands outside before what stands in it.
        """
        return tuple(ast.walk(self.tree))

    @cached_property
    def imported(self) -> tuple[ast.Import | ast.ImportFrom, ...]:
        """
        Return every statement that imports, at any depth; most of a file's nodes are expressions, which hold none.
        """
        found: list[ast.Import | ast.ImportFrom] = []
        waiting: list[ast.AST] = [self.tree]
        for node in waiting:
            if isinstance(node, ast.Import | ast.ImportFrom):
                found.append(node)
            for block in ("body", "handlers", "orelse", "finalbody", "cases"):
                waiting += getattr(node, block, ())
        return tuple(found)

    @property
    def room(self) -> str:
        """
        Return the top-level folder.
        """
        return self.path.split("/", 1)[0]

    @property
    def module(self) -> str:
        """
        Return the dotted name under which the file is imported.
        """
        parts = self.path.removesuffix(".py").split("/")
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(root: Path, *rooms: str) -> tuple[Source, ...]:
    """
    Return the Python files of these rooms, sorted by path; a room that is not there has none.
    """
    return tuple(source for room in rooms for source in _room(root, room))


# Most checks ask for the same rooms: they are read and parsed once, and let go when another root's take their place.
@lru_cache(maxsize=len(ROOMS))
def _room(root: Path, room: str) -> tuple[Source, ...]:
    files = sorted((root / room).rglob("*.py"))
    return tuple(Source(file.relative_to(root).as_posix(), file.read_text("utf-8")) for file in files)


def forget() -> None:
    """
    Let go of all that was read.
    """
    _room.cache_clear()


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """
    Yield path and text of every file that a person wrote.
    """
    suffixes = {".py", ".md", ".yaml", ".yml", ".toml", ".lua", ".txt", ".sh"}
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root)
        if any((part.startswith(".") and part != _WRITTEN) or part.endswith(".egg-info") for part in path.parts):
            continue
        if file.is_file() and (file.suffix in suffixes or file.name == "Makefile" or path.parts[0] == _WRITTEN):
            yield path.as_posix(), file.read_text("utf-8", "replace")


def tabled(source: Source) -> Iterator[tuple[int, str]]:
    """
    Yield line and name of every module that the table of commands names; no other file has any.
    """
    for node in source.nodes if source.path == TABLE else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            yield node.lineno, node.value


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """
    Yield line and dotted name of everything that a file imports, wherever in it; `from a import b` yields `a.b`.

    What the table of commands names counts as imported.
    """
    yield from tabled(source)
    package = source.module.split(".")
    if not source.path.endswith("__init__.py"):
        package = package[:-1]
    for node in source.imported:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        else:
            start = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def within(name: str, package: str) -> bool:
    """
    Tell whether a dotted name is a package or stands inside it.
    """
    return name == package or name.startswith(package + ".")


def bindings(source: Source) -> dict[str, str]:
    """
    Return what each imported local name stands for, so that no alias hides anything.
    """
    bound: dict[str, str] = {}
    for node in source.imported:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        else:
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
    return bound


def dotted(node: ast.expr, bound: Mapping[str, str]) -> str | None:
    """
    Return the full name that an expression such as `t.monotonic` stands for, or None if it is no plain name.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([bound.get(node.id, node.id), *reversed(parts)])
