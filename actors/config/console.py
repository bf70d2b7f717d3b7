"""The debug console: who may do what on it."""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

import attrs

from . import addresses, checks

__all__ = ["ConsoleConfig", "ConsoleRole"]

ConsoleRole = Literal["read", "operate", "admin"]


def _origins(values: Iterable[str]) -> tuple[str, ...]:
    return checks.items("ConsoleConfig", "origins", values)


@attrs.frozen(kw_only=True)
class ConsoleConfig:
    """The debug console: `trouper ps`, `trouper top` and their socket, and the page."""

    # It can be reached by the user who runs the program and by nobody else.
    socket: bool = attrs.field(default=True, metadata=checks.switch())
    """Whether there is a socket for `trouper ps` and its like."""
    # Several programs of one user are told apart by it.
    name: str = attrs.field(default="trouper", metadata=checks.name())
    """What the socket is called: NAME-PID.sock in $XDG_RUNTIME_DIR/trouper."""
    # Who runs the program could kill it as well.
    role: ConsoleRole = attrs.field(
        default="operate", metadata=checks.one_of("role", get_args(ConsoleRole))
    )
    """What may be done over the socket: read, operate (restart, stop, trip, ...), or admin (also
    set limits, and send messages where `inject` is true)."""
    # A message out of turn is the one thing that no actor is written for.
    inject: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether an admin may send messages to actors by hand."""
    # A page is more than most need, and one more way in.
    web: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether the console is a page at /console/ of the server as well. Nobody comes in without a
    link of `trouper console`, or a token with a console scope."""
    # A page stays open when its reader has gone for coffee.
    web_role: ConsoleRole = attrs.field(
        default="read", metadata=checks.one_of("web_role", get_args(ConsoleRole))
    )
    """What may be done on the page by who came in by a link; a token has its own scopes."""
    origins: tuple[str, ...] = attrs.field(
        default=(),
        converter=_origins,
        metadata=checks.told('a list of origins, such as "https://ops.example.org"'),
    )
    """Under which addresses the page may be opened, beside those of this machine. A server that
    other machines reach needs one, with TLS before it."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        for index, origin in enumerate(self.origins):
            fault = addresses.fault_of_origin(origin)
            if fault is not None:
                yield f"origins[{index}]: {fault}"
