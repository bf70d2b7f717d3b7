"""How the console is used, in numbers: who is there now, and what has been done since the start.

It outlives the console's own restarts, so that what is counted never sinks.
"""

from collections import Counter

from .peer import Peer

__all__ = ["Use"]


class Use:
    """Clients by way and role, actions by name and result ("done", or why it was refused)."""

    def __init__(self) -> None:
        self.clients: Counter[tuple[str, str]] = Counter()
        self.actions: Counter[tuple[str, str]] = Counter()

    def came(self, peer: Peer) -> None:
        """Count a client that has been let in."""
        self.clients[peer.via, peer.role] += 1

    def went(self, peer: Peer) -> None:
        """Count a client no longer."""
        self.clients[peer.via, peer.role] -= 1
