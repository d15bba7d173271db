"""A disk in memory that loses at a crash what was not synced, or keeps a torn part of it."""

from __future__ import annotations

from random import Random

from tests.ledger.memory_disk import File, Folder, MemoryDisk, Stopped, _copied_file


class SimDisk(MemoryDisk):
    """
    What a process writes to; `crashed` is what the next process finds.
    """

    def __init__(self, root: Folder | None = None) -> None:
        super().__init__(root)
        # After how many steps from now on the machine stops; None where it does not.
        self.stops_after: int | None = None

    def _step(self, step: str, path: str) -> None:
        if self.stops_after is not None:
            self.stops_after -= 1
            if self.stops_after < 0:
                raise Stopped(step)

    def crashed(self, rng: Random) -> SimDisk:
        """
        Return the disk as a crash left it: of each file what was synced, and of what was written behind that a part.
        """
        return SimDisk(_left(self.root, rng))


def _left(folder: Folder, rng: Random) -> Folder:
    copy = Folder()
    for name, node in folder.live.items():
        if isinstance(node, Folder):
            # A folder is made once, and what was not synced of its names may be there all the same.
            copy.live[name] = _left(node, rng)
        elif node.database is not None or name in folder.durable or rng.random() < 0.5:
            copy.live[name] = _file_left(node, rng)
    copy.durable = dict(copy.live)
    return copy


def _file_left(file: File, rng: Random) -> File:
    if file.database is not None:
        copy = _copied_file(file, durable=True)
        copy.durable = bytes(copy.content)
        return copy
    content, durable = bytes(file.content), file.durable
    if content.startswith(durable):
        content = content[: len(durable) + rng.randint(0, len(content) - len(durable))]
    else:
        content = durable
    return File(bytearray(content), content)
