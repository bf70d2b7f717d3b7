"""Messages as the frames in which a websocket's server sends them (RFC 6455, 5.2).

Each is in one frame, which has no mask and is not compressed.
"""

import struct
from collections.abc import Iterable

__all__ = ["server_frames"]

# The last frame of its message, and its kind.
_TEXT = 0x81
_BINARY = 0x82


def server_frames(messages: Iterable[str | bytes]) -> bytes:
    """Each message as one frame, all of them behind each other."""
    pieces: list[bytes] = []
    for message in messages:
        if isinstance(message, str):
            first, payload = _TEXT, message.encode()
        else:
            first, payload = _BINARY, message
        size = len(payload)
        if size < 126:
            head = bytes((first, size))
        elif size < 65_536:
            head = struct.pack("!BBH", first, 126, size)
        else:
            head = struct.pack("!BBQ", first, 127, size)
        pieces += (head, payload)
    return b"".join(pieces)
