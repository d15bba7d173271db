"""
A repository's git as far as its API shows it: commits that each hold a whole tree, and references that name commits.

Blobs have git's own ids; trees and commits have ids that are hashes of what they hold, but not git's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Commit:
    """
    A commit with every file of its tree: path to blob id.
    """

    sha: str
    message: str
    files: Mapping[str, str]
    parents: tuple[str, ...]
    author: tuple[str, str]
    at: int

    @property
    def tree(self) -> str:
        """
        Return the tree's id.
        """
        return tree(self.files)


@dataclass(slots=True)
class Git:
    """
    Blobs, commits and references by id and by full name (`refs/heads/main`).
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def blob(self, data: bytes) -> str:
        """
        Keep a file's bytes and return their id.
        """
        sha = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        self.blobs[sha] = data
        return sha

    def commit(
        self, message: str, files: Mapping[str, str], parents: tuple[str, ...], author: tuple[str, str], at: int
    ) -> Commit:
        """
        Keep a commit, under an id that also depends on how many there were: two alike within a second are two.
        """
        sha = _digest("commit", message, repr(sorted(files.items())), repr((parents, author, at, len(self.commits))))
        made = self.commits[sha] = Commit(sha, message, dict(files), parents, author, at)
        return made

    def resolve(self, name: str) -> Commit | None:
        """
        Return the commit that a branch, a tag, a full reference or an id names.
        """
        for full in (f"refs/heads/{name}", f"refs/tags/{name}", name, f"refs/{name}"):
            if full in self.refs:
                return self.commits[self.refs[full]]
        return self.commits.get(name)

    def ancestors(self, sha: str) -> dict[str, None]:
        """
        Return a commit and all that it stands on, nearest first.
        """
        found: dict[str, None] = {}
        left = [sha]
        while left:
            here = left.pop(0)
            if here not in found:
                found[here] = None
                left += self.commits[here].parents
        return found

    def fork(self, base: str, head: str) -> Commit | None:
        """
        Return the nearest commit that both stand on.
        """
        below = self.ancestors(base)
        return next((self.commits[sha] for sha in self.ancestors(head) if sha in below), None)

    def merged(self, base: str, head: str) -> dict[str, str] | None:
        """
        Return base's tree with what changed on the way to head, or None where both changed one file differently.
        """
        fork = self.fork(base, head)
        before = fork.files if fork else {}
        ours, theirs = self.commits[base].files, self.commits[head].files
        files = dict(ours)
        for path in before.keys() | theirs.keys():
            if theirs.get(path) == before.get(path):
                continue
            if ours.get(path) not in {before.get(path), theirs.get(path)}:
                return None
            if path in theirs:
                files[path] = theirs[path]
            else:
                files.pop(path, None)
        return files


def tree(files: Mapping[str, str], below: str = "") -> str:
    """
    Return the id of the tree below a prefix.
    """
    return _digest("tree", *(f"{path}\0{blob}" for path, blob in sorted(files.items()) if path.startswith(below)))


def _digest(*parts: str) -> str:
    return hashlib.sha1("\n".join(parts).encode()).hexdigest()
