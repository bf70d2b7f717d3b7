"""Who is at the other end of a console."""

from collections.abc import Collection

import attrs

from ..config.tokens import Scope
from .protocol import Role

__all__ = ["Peer", "role_of"]

_ROLES: dict[Scope, Role] = {
    Scope.CONSOLE_ADMIN: "admin",
    Scope.CONSOLE_OPERATE: "operate",
    Scope.CONSOLE_READ: "read",
}


def role_of(scopes: Collection[Scope]) -> Role | None:
    """What who has these scopes may do on the console; None for nothing at all."""
    return next((role for scope, role in _ROLES.items() if scope in scopes), None)


@attrs.frozen
class Peer:
    """Who it is ("uid:1000", "token-ab12"), by which way ("unix", "web"), and what it may do."""

    by: str
    via: str
    role: Role
