"""Words: the sentence of every test, the docstring of everything public, names and words that we do not use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.tidy.source import ROOMS, SHIPPED, sources, texts

_NAMES = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}

# Each with the replacement. This table is the only file that may spell them.
BANNED: Mapping[str, str] = {
    r"\b(?:TODO|FIXME|XXX)\b": "finish it, or open an issue",
    r"(?<!\.)\butils?\b": "the name of the room that it belongs to",
    r"\bwhitelist": "allowlist",
    r"\bblacklist": "deny",
    r"""["'](?:CLOSED|OPEN|HALF_OPEN)["']|\b(?:State|Breaker\w*)\.(?:CLOSED|OPEN|HALF_OPEN)\b""": (
        "passing, suggest_only, blocked or probing: states say what traffic does"
    ),
    r"\bsk_(?:live|test)_": "words that no scanner takes for a key, such as upstream-secret-canary",
    r"(?<![\w.])/(?:work|tmp)/": "a path that is handed in (tmp_path in tests)",
    r"\.\./shared\b": "nothing: the repository stands alone",
    # A letter in brackets, so that no address stands here either.
    r"\b(?:pyp[i]\.org|pythonhoste[d]\.org|registry\.npmj[s])": "nothing: no registry's address stands here",
}
_BANNED_HERE = "tests/tidy/words.py"
# What vendors and licensors wrote is not ours to reword.
_FOREIGN = ("config/catalogs/", "LICENSE", "requirements/")

_TWO_SENTENCES = re.compile(r"[.!?]\s+[A-Z`\"']")


def sentences(root: Path) -> list[str]:
    """
    Find tests without exactly one sentence on one line.
    """
    found = []
    for source in sources(root, "tests"):
        if not source.path.rsplit("/", 1)[-1].startswith("test_"):
            continue
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                fault = _sentence_fault(ast.get_docstring(node, clean=False))
                found += [f"{source.path}:{node.lineno}: {node.name} {fault}"] if fault else []
    return found


def docstrings(root: Path) -> list[str]:
    """
    Find public modules, classes and functions that say nothing, or say it in another form than the house's.

    A method that implements a protocol need not repeat what the protocol says of it.
    """
    found = []
    promised = _promised(root)
    for source in sources(root, *SHIPPED):
        if ast.get_docstring(source.tree) is None and source.text.strip():
            found.append(f"{source.path}: the module opens with a sentence saying what it is for")
        for name, node in _public(source.tree.body):
            said = ast.get_docstring(node, clean=False)
            if said is None and "." in name and node.name in promised:
                continue
            if said is None:
                found.append(f"{source.path}:{node.lineno}: {name} is public and says nothing")
            elif not said.startswith("\n"):
                found.append(f"{source.path}:{node.lineno}: the quotes of {name}'s docstring stand on their own lines")
    return found


def module_names(root: Path) -> list[str]:
    """
    Find rooms with a name that means nothing.
    """
    return [
        f"{source.path}: {word!r} is no name for a room; say what is in it"
        for source in sources(root, *ROOMS)
        for word in source.path.removesuffix(".py").split("/")
        if word in _NAMES
    ]


def banned_words(root: Path) -> list[str]:
    """
    Find words that we replace, in everything that a person wrote.
    """
    found = []
    for path, text in texts(root):
        if path == _BANNED_HERE or path.startswith(_FOREIGN):
            continue
        for pattern, instead in BANNED.items():
            for match in re.finditer(pattern, text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{path}:{line}: {match.group()!r}; write {instead}")
    return found


def _sentence_fault(said: str | None) -> str | None:
    if not said:
        return "has no sentence that says what is true"
    if "\n" in said:
        return "says it on more than one line"
    if not said.endswith("."):
        return "does not end its sentence with a period"
    if _TWO_SENTENCES.search(said):
        return "says more than one sentence"
    return None


def _promised(root: Path) -> set[str]:
    return {
        method.name
        for source in sources(root, *SHIPPED)
        for node in source.nodes
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Protocol") for base in node.bases)
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(method)
    }


_Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _public(body: list[ast.stmt], inside: str = "") -> Iterator[tuple[str, _Documented]]:
    """
    Yield the public classes and functions of a body, and what public classes hold; overloads share one docstring.
    """
    for node in body:
        if not isinstance(node, _Documented) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator).rsplit(".", 1)[-1] for decorator in node.decorator_list}
        if decorators & {"overload", "setter", "override"}:
            continue
        yield inside + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body, f"{inside}{node.name}.")
