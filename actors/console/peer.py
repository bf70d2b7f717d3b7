"""Who is at the other end of a console."""

import attrs

from .protocol import Role

__all__ = ["Peer"]


@attrs.frozen
class Peer:
    """Who it is ("uid:1000", "token-ab12"), by which way ("unix", "web"), and what it may do."""

    by: str
    via: str
    role: Role
