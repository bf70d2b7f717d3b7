"""The server: where it listens, who may connect, and how much they may take."""

from collections.abc import Iterable, Iterator

import attrs

from . import addresses, checks
from .tokens import TokenConfig, tokens_of

__all__ = ["ServerConfig"]


def _origins(values: Iterable[str]) -> tuple[str, ...]:
    return checks.items("ServerConfig", "allowed_origins", values)


@attrs.frozen(kw_only=True)
class ServerConfig:
    """Where clients connect, who may, and how much they may take."""

    # Only programs on this machine reach it.
    listen: str = attrs.field(default="127.0.0.1:8700", metadata=addresses.listen_address())
    """Where it listens. An address that other machines reach needs `tokens`."""
    tokens: tuple[TokenConfig, ...] = attrs.field(
        default=(),
        converter=tokens_of,
        metadata=checks.told("a list of references to secrets, or of tables, see below"),
    )
    """What clients show, one of them; without any, everybody on this machine may connect and
    nobody else. Each has 8 characters or more."""
    allowed_origins: tuple[str, ...] = attrs.field(
        default=(),
        converter=_origins,
        metadata=checks.told('a list of origins, such as "https://chat.example.org"'),
    )
    """The sites whose pages a browser may let connect."""
    # Some 45 KiB each: 180 MiB when all are there.
    max_connections: int = attrs.field(default=4_096, metadata=checks.whole(1, 1_000_000))
    """How many clients may be connected at once."""
    # A quarter of them: no one client can keep all others out.
    max_connections_per_client: int = attrs.field(
        default=1_024, metadata=checks.whole(1, 1_000_000)
    )
    """How many websockets one of the names in `tokens` may have at once, and how many
    connections one other machine; programs on this machine without a token share the above."""
    # As many as the connections; most of them wait for a provider, which has fewer at once.
    max_requests_per_client: int = attrs.field(default=1_024, metadata=checks.whole(1, 1_000_000))
    """How many requests one of the names in `tokens` may have under way, turns of conversations
    included. More are refused with 429."""
    # OpenAI closes its websockets after an hour, too, so clients know how to come back.
    max_connection_seconds: float = attrs.field(default=3_600.0, metadata=checks.seconds())
    """Seconds after which a connection is closed, as soon as nothing is under way on it."""
    # Some 12 KiB each without a connection: 120 MiB.
    max_sessions: int = attrs.field(default=10_000, metadata=checks.whole(1, 10_000_000))
    """How many conversations may be open at once."""
    # Half of them: a bot of thousands of people is one client, and not the only one.
    max_sessions_per_client: int = attrs.field(default=5_000, metadata=checks.whole(1, 10_000_000))
    """How many of them one of the names in `tokens` may have open."""
    # Long enough for a train in a tunnel, and for a person who thinks.
    session_idle_seconds: float = attrs.field(default=900.0, metadata=checks.seconds())
    """Seconds that a conversation without its client waits to be taken up again."""
    # What trio-websocket takes by default; a prompt with a picture needs more.
    max_message_bytes: int = attrs.field(default=1_048_576, metadata=checks.whole(1_024, 4_000_000))
    """The longest message of a client, in characters, of which each takes up to four bytes."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    @property
    def host(self) -> str:
        """The host of `listen`, without the brackets of an IPv6 address."""
        return addresses.split_listen(self.listen)[0]

    @property
    def port(self) -> int:
        """The port of `listen`; 0 picks a free one."""
        return addresses.split_listen(self.listen)[1]

    def _across(self) -> Iterator[str]:
        if not self.tokens and not addresses.is_loopback(self.host):
            yield (
                f"listen: {self.listen} can be reached from other machines, and no tokens are "
                'configured; add tokens = ["env:TROUPER_TOKEN"], or listen on 127.0.0.1'
            )
        for index, origin in enumerate(self.allowed_origins):
            fault = addresses.fault_of_origin(origin)
            if fault is not None:
                yield f"allowed_origins[{index}]: {fault}"
