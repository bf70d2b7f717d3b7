"""What one client may take of us: every bound of the gateway, with its reason."""

import attrs

__all__ = ["Limits"]


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds of the gateway. Sizes are in bytes, times in seconds.

    They are generous to a person or a bot and fatal to nobody but who breaks
    them. Nothing here needs to be set in normal use.
    """

    connections: int = 1024
    """Sockets at once; the next gets 503. Below the usual 1,024 file descriptors
    only with `ulimit -n` raised, as service managers do."""
    connections_per_client: int = 1024
    """Sockets of one other machine, and websockets of one token: no one has them all."""
    requests_per_client: int = 1024
    """Requests of one token under way, turns of conversations included. A provider is
    asked by as many at once as it may be; the others wait, some 40 KiB each."""
    connection_seconds: float = 3600.0
    """After so long a connection ends when nothing is under way on it: clients find
    their way to a new server, and a token that is gone is asked for again. OpenAI's
    websockets are closed after 60 minutes, too."""

    head_bytes: int = 16 * 1024
    """A request's line and headers. h11's own default; browsers stay below 8 KiB."""
    head_seconds: float = 10.0
    """To send a request's head, from its first byte (or from the connection)."""
    body_bytes: int = 1024 * 1024
    """A request's body."""
    chat_body_bytes: int = 16 * 1024 * 1024
    """The body of a chat request, which may hold pictures. It is read once its token is good."""
    answer_seconds: float = 1800.0
    """To answer a chat request; twice what a provider has by default."""
    unread_bytes: int = 256 * 1024 * 1024
    """Of bodies and messages that have not come whole, of all clients together: so many
    large ones at once. Over it, whoever sends a large one is told to try again, or cut off."""
    idle_seconds: float = 60.0
    """Between two requests on one connection; nginx gives 75."""

    frame_chars: int = 1024 * 1024
    """A websocket message, as trio-websocket counts it; over it is close code 1009."""
    messages_per_second: float = 50.0
    """Inbound websocket messages in the long run; over it is close code 1008."""
    messages_burst: int = 200
    """Inbound websocket messages at once."""
    sessions_per_connection: int = 32
    """An editor opens one a tab."""
    requests_per_connection: int = 64
    """Calls under way on one websocket, turns included."""

    outbox_bytes: int = 256 * 1024
    """Waiting for a slow reader: some minutes of an answer's text."""
    outbox_events: int = 1000
    """Waiting for a slow reader, after merging."""
    stall_seconds: float = 30.0
    """A send that moves not one byte for so long ends the connection."""

    ping_seconds: float = 20.0
    """Silence after which we ping; below the 30 to 60 s at which proxies hang up."""
    pong_seconds: float = 20.0
    """To answer a ping. The `websockets` package uses 20 and 20, too."""
    close_seconds: float = 5.0
    """To finish a closing handshake, and to read what was still on its way."""
