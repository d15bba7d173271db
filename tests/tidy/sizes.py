"""Ceilings and medians: no file over 400 lines, no function over 60, tests included; at most 15 error classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.tidy.source import ROOMS, SHIPPED, Source, sources

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
ERRORS_MAX = 15

# Exceptions are grouped by what whoever catches them can do: one file for the road, one for what people wrote, and the
# one that every store raises beside the verbs that raise it.
ERROR_FILES = ("proxy/errors.py", "config/faults.py", "breakers/store/protocol.py")


def tall_files(root: Path) -> list[str]:
    """
    Find files that outgrew the ceiling.
    """
    return [
        f"{source.path}: {lines} lines, the ceiling is {FILE_LINES_MAX}; split it by idea"
        for source in sources(root, *ROOMS)
        if (lines := _file_lines(source)) > FILE_LINES_MAX
    ]


def tall_functions(root: Path) -> list[str]:
    """
    Find functions that outgrew the ceiling.
    """
    return [
        f"{source.path}:{function.lineno}: {function.name} has {lines} lines, the ceiling is {FUNCTION_LINES_MAX}"
        for source in sources(root, *ROOMS)
        for function in _functions(source)
        if (lines := _function_lines(function)) > FUNCTION_LINES_MAX
    ]


def figures(root: Path) -> dict[str, float]:
    """
    Return what is printed: medians of files and functions, and how many error classes there are.
    """
    shipped = sources(root, *SHIPPED)
    files = [lines for source in shipped if (lines := _file_lines(source))]
    functions = [_function_lines(function) for source in shipped for function in _functions(source)]
    return {
        "median lines a file": median(files or [0]),
        "median lines a function": median(functions or [0]),
        "error classes": len(_errors(shipped)),
    }


def errors(root: Path) -> list[str]:
    """
    Find error classes that are too many, or that stand where nobody looks; a private one never leaves its file.
    """
    classes = _errors(sources(root, *SHIPPED))
    found = [
        f"{path}:{line}: error class {name} belongs to {' or '.join(ERROR_FILES)}"
        for path, line, name in classes
        if path not in ERROR_FILES and not name.startswith("_")
    ]
    if len(classes) > ERRORS_MAX:
        found.append(f"{len(classes)} error classes, at most {ERRORS_MAX}: group them by what their catcher can do")
    return found


def _file_lines(source: Source) -> int:
    return len(source.text.splitlines())


def _functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in source.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _errors(shipped: tuple[Source, ...]) -> list[tuple[str, int, str]]:
    """
    Return path, line and name of every class that descends from an exception, through classes of ours as well.
    """
    classes = [(source.path, node) for source in shipped for node in source.nodes if isinstance(node, ast.ClassDef)]
    raised = {"BaseException", "Exception", "Warning"}
    while True:
        found = [(path, node) for path, node in classes if any(_is_error(base, raised) for base in node.bases)]
        names = raised | {node.name for _, node in found}
        if names == raised:
            return [(path, node.lineno, node.name) for path, node in found]
        raised = names


def _is_error(base: ast.expr, raised: set[str]) -> bool:
    name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
    return name in raised or name.endswith(("Error", "Exception"))
