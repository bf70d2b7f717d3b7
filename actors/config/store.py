"""Where conversations, costs and cached answers are kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NewType, get_args

import attrs

from . import checks

__all__ = ["MEMORY", "Durability", "StoreConfig", "StorePath"]

Durability = Literal["full", "relaxed"]

StorePath = NewType("StorePath", str)
"""The path of a file, or `MEMORY`. In a configuration file it is seen from its folder."""

MEMORY = ":memory:"
"""What SQLite calls a database that is nowhere but in memory."""


def _store_path(value: str | Path) -> StorePath:
    # What is neither is left as it is, for the check to say.
    return StorePath(str(value) if isinstance(value, Path) else value)


@attrs.frozen(kw_only=True)
class StoreConfig:
    """Where conversations, costs and cached answers are kept: SQLite files."""

    # Who tries it out leaves no files behind.
    path: StorePath = attrs.field(
        default=StorePath(MEMORY),
        converter=_store_path,
        metadata=checks.told('the path of a file, or ":memory:"'),
    )
    """The file, seen from the folder of the configuration; `:memory:` keeps nothing."""
    # What was acknowledged is still there after the power has failed.
    durability: Durability = attrs.field(
        default="full", metadata=checks.one_of("durability", get_args(Durability))
    )
    """Whether a commit waits for the disk (full) or may be lost with the power (relaxed); either
    survives a killed process."""
    # A year, and a month to look back on it. What they weigh in budgets without an end stays.
    keep_usage_days: int | None = attrs.field(
        default=400, metadata=checks.optional(checks.whole(62, 36_500))
    )
    """Days after which a row of the ledger is forgotten, which `trouper usage` then does not show."""
    # What people have said is theirs: nothing of it goes unless the operator says so.
    keep_sessions_days: int | None = attrs.field(
        default=None, metadata=checks.optional(checks.whole(1, 36_500))
    )
    """Days after which a conversation that nobody has used is forgotten; without it, never."""
    # Three times as long as the providers keep theirs.
    keep_batches_days: int | None = attrs.field(
        default=90, metadata=checks.optional(checks.whole(1, 36_500))
    )
    """Days after its beginning from which a batch that is done is forgotten, with its results."""
    # Some hundred thousand answers of a page.
    cache_max_bytes: int = attrs.field(
        default=268_435_456, metadata=checks.whole(1_048_576, 1_099_511_627_776)
    )
    """How large the file of cached answers may become; it lies beside the other, NAME-cache.db."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        # Not the field's own check: a file's path is made one of its folder first.
        fault = checks.fault_of_path(self.path)
        if fault is not None:
            yield f"path: {fault}"

    @property
    def cache_path(self) -> str:
        """The file of cached answers, which may be deleted at any time."""
        if self.path == MEMORY:
            return MEMORY
        path = Path(self.path)
        return str(path.with_name(f"{path.stem}-cache{path.suffix or '.db'}"))
