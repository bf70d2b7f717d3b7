"""HTTP/1.1 for httpx, on trio streams and llhttp, with a pool that loses nothing.

Read in this order: `reader` (the bytes of a response), `pool` (who may have a
connection), `connection` and `dial` (sockets), `body` (the stream that callers
read), `transport` (all of it together).

Why it is here at all: httpcore 1.0.9 loses places of its pool when requests are
cancelled, and its cost a request grows with the number of connections.
"""

from .pool import TransportStatistics
from .transport import TrioTransport

__all__ = ["TransportStatistics", "TrioTransport"]
