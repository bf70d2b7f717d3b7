"""What the surface of batches raises.

TrouperError
├── BadBatch               a file is no batch, and nothing of it was submitted
└── ActorError
    ├── UnknownBatch       no batch of that id is in the store
    └── NoBatchStore       the store is in memory, and a batch must outlive its program
"""

from collections.abc import Iterable

from ...runtime.errors import ActorError, TrouperError

__all__ = ["BadBatch", "NoBatchStore", "UnknownBatch"]

# Faults that are shown: who has more has the same fault in many lines.
_SHOWN = 50


class BadBatch(TrouperError):
    """The file `source` is no batch, and nothing of it was submitted: mend it, and submit it again.

    `faults` are the first 50, each beginning with its line; `more` is how many further
    ones there are.
    """

    def __init__(self, source: str, faults: Iterable[str], more: int = 0) -> None:
        told = tuple(faults)
        self.source = source
        self.faults = told[:_SHOWN]
        self.more = more + len(told) - len(self.faults)
        super().__init__(source, self.faults, self.more)

    def __str__(self) -> str:
        lines = [f"{self.source}: {fault}" for fault in self.faults]
        if self.more:
            lines.append(f"{self.source}: and {self.more} more; nothing was submitted")
        return "\n".join(lines)


class UnknownBatch(ActorError):
    """No batch of that `id` is in the store; `trouper batch status` lists those that there are."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id

    def __str__(self) -> str:
        return f"no batch {self.id!r}; `trouper batch status` lists those that there are"


class NoBatchStore(ActorError):
    """The store is in memory, and a batch must outlive its program: set a path in [store]."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "a batch is kept in a file; set path in [store] of the configuration"
