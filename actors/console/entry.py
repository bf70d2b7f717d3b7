"""Who may open the page: one-time links, and the sessions that they become.

A link is asked for over the unix socket, so by somebody who runs the program.
Its code is good once and for some minutes, and stands behind the # of the
address, which browsers send to nobody. What a browser then holds is a cookie
with a secret of its own. Both are kept as digests. Times are in seconds.
"""

import secrets
from collections import OrderedDict
from hashlib import sha256

import attrs

from .protocol import Role

__all__ = ["CODE_SECONDS", "VISIT_SECONDS", "Entry", "Visitor"]

CODE_SECONDS = 300.0
"""To follow a link: as long as a terminal is still on the screen."""

VISIT_SECONDS = 12 * 3600.0
"""A night on call."""

# Links not yet followed, and browsers at once; the oldest goes first.
_MOST_CODES = 16
_MOST_VISITS = 64


@attrs.frozen
class Visitor:
    """Who has come in: for the record of what is done, and what may be done."""

    by: str
    role: Role


class Entry:
    """Makes links of `role`, and remembers who came in. All of it is gone with the process."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role
        self.address = ""
        """Where the page is, such as http://127.0.0.1:8700; empty while there is none."""
        self._codes: OrderedDict[bytes, float] = OrderedDict()
        self._visits: OrderedDict[bytes, tuple[Visitor, float]] = OrderedDict()

    def link(self, now: float) -> str:
        """An address that lets one browser in, once."""
        code = secrets.token_urlsafe(32)
        self._codes[_digest(code)] = now + CODE_SECONDS
        while len(self._codes) > _MOST_CODES:
            self._codes.popitem(last=False)
        return f"{self.address}/console/#enter={code}"

    def follow(self, code: str, now: float) -> tuple[str, Visitor] | None:
        """The secret of a cookie for the code of a link, and who that is now; None for a bad one."""
        until = self._codes.pop(_digest(code), None)
        if until is None or until < now:
            return None
        visitor = Visitor(f"link-{secrets.token_hex(2)}", self.role)
        return self.admit(visitor, now), visitor

    def admit(self, visitor: Visitor, now: float) -> str:
        """The secret of a cookie for somebody who has been let in otherwise."""
        secret = secrets.token_urlsafe(32)
        self._visits[_digest(secret)] = (visitor, now + VISIT_SECONDS)
        while len(self._visits) > _MOST_VISITS:
            self._visits.popitem(last=False)
        return secret

    def visitor(self, secret: str, now: float) -> Visitor | None:
        """Who shows that cookie; None where it is unknown or old."""
        digest = _digest(secret)
        visitor, until = self._visits.get(digest, (None, now))
        if until < now:
            del self._visits[digest]
            return None
        return visitor

    def leave(self, secret: str) -> None:
        """That cookie is good no longer."""
        self._visits.pop(_digest(secret), None)


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogateescape")).digest()
