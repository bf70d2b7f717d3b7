"""Who may use the console over HTTP: from which pages, under which names, with what in hand.

Three questions in this order, each against an attack of its own. The Host
header: under a name that leads here by DNS rebinding nothing is served. The
Origin header: another page may neither read nor act, and who sends none must
show a token, as no browser does by itself. Then a cookie that a one-time link
was changed for (console/entry.py), or a bearer token with a console scope.
Without either nobody comes in, also not from this machine: it may have other users.
"""

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from math import ceil
from urllib.parse import urlsplit

import attrs
import structlog
import trio

from ..config.addresses import is_loopback
from ..config.tokens import Scope
from ..console.entry import VISIT_SECONDS, Entry, Visitor
from ..console.peer import role_of
from ..console.protocol import Role
from .auth import TOKEN_PROTOCOL, Access, Principal, Refused
from .guesses import Guesses
from .http import HttpFault, Request

__all__ = ["ConsoleAccess", "visitor_of"]

log = structlog.get_logger("trouper.gateway")

_SCOPES: dict[Role, Scope] = {
    "read": Scope.CONSOLE_READ,
    "operate": Scope.CONSOLE_OPERATE,
    "admin": Scope.CONSOLE_ADMIN,
}

# Links that may be wrong in a minute, from one address: a link is copied and not typed.
_LINKS = 5


def visitor_of(principal: Principal) -> Visitor:
    """The principal as the console knows it. Raises HttpFault 403 where it has no console scope."""
    role = role_of(principal.scopes)
    if role is None:
        raise HttpFault(
            403,
            "this token may not use the console; add console:read to its scopes in server.tokens",
        )
    return Visitor(principal.name, role)


class ConsoleAccess:
    """Lets visitors in. `origins` are those under which the page may be opened beside loopback."""

    def __init__(self, entry: Entry, access: Access, origins: Iterable[str] = ()) -> None:
        self._entry = entry
        self._access = access
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._hosts = {urlsplit(origin).netloc for origin in self._origins}
        self._guesses = Guesses(burst=_LINKS, each=60.0 / _LINKS)

    def check_host(self, request: Request) -> None:
        """Raises HttpFault 421 under a name that is not ours."""
        host = request.headers.get("host", "").lower()
        if host not in self._hosts and not is_loopback(_name_of(host)):
            raise HttpFault(
                421,
                f"the console is not served under the name {host[:200]!r}; "
                "add its origin to console.origins if it is yours",
            )

    def check_page(self, request: Request) -> None:
        """As `check_host`; raises HttpFault 403 for what another page asks, or nobody knows who."""
        self.check_host(request)
        origin = request.headers.get("origin")
        if origin is None:
            if _shows_token(request):
                return
            raise HttpFault(403, "send an Origin header, or a token with a console scope")
        host = request.headers["host"].lower()
        page = origin.rstrip("/").lower()
        if page != f"http://{host}" and not (
            page in self._origins and urlsplit(page).netloc == host
        ):
            raise HttpFault(403, f"pages of origin {origin[:200]!r} may not use the console")

    def admit(self, request: Request, subprotocols: tuple[str, ...] = ()) -> Principal:
        """Who asks for a websocket. Raises HttpFault."""
        offered = any(name.startswith(TOKEN_PROTOCOL) for name in subprotocols)
        if offered:
            self.check_host(request)
        else:
            self.check_page(request)
        visitor = None if offered or _shows_token(request) else self.seen(request)
        if visitor is None:
            visitor = self.by_token(request, subprotocols)
        return Principal(visitor.by, frozenset({_SCOPES[visitor.role]}))

    def seen(self, request: Request) -> Visitor | None:
        """Whose cookie came with the request."""
        secret = _cookie(request)
        return None if secret is None else self._entry.visitor(secret, trio.current_time())

    def by_token(self, request: Request, subprotocols: tuple[str, ...] = ()) -> Visitor:
        """Whose token came with the request. Raises HttpFault 401, 403, or 429."""
        shown = _shows_token(request) or any(
            name.startswith(TOKEN_PROTOCOL) for name in subprotocols
        )
        # (The origin has been looked at already, and more closely.)
        headers = {name: value for name, value in request.headers.items() if name != "origin"}
        try:
            if shown:
                principal = self._access.admit(
                    headers, subprotocols, address=request.address, now=trio.current_time()
                )
                if not principal.anybody:
                    return visitor_of(principal)
        except Refused as refused:
            if refused.guess:
                log.warning("wrong token", address=request.address, path=request.path)
            again = (("Retry-After", str(ceil(refused.wait))),) if refused.wait > 0 else ()
            raise HttpFault(refused.status, refused.message, again) from None
        raise HttpFault(
            401, "open the console by a link of `trouper console`, or show a token for it"
        )

    def by_code(self, request: Request, code: str) -> tuple[str, Visitor]:
        """The secret of a cookie for the code of a link, and whose. Raises HttpFault 401 or 429."""
        now = trio.current_time()
        wait = self._guesses.wait(request.address, b"", now)
        if wait > 0:
            raise HttpFault(
                429, f"too many links that are not good; wait {wait:.0f} s",
                (("Retry-After", str(ceil(wait))),),
            )  # fmt: skip
        found = self._entry.follow(code, now)
        if found is None:
            self._guesses.wrong(request.address, now)
            log.warning("console link refused", address=request.address)
            raise HttpFault(
                401, "this link has been used, or is too old; `trouper console` prints another one"
            )
        return found

    def enter(self, visitor: Visitor) -> str:
        """The secret of a cookie for who has shown a token."""
        return self._entry.admit(visitor, trio.current_time())

    def leave(self, request: Request) -> None:
        """The request's cookie is good no longer."""
        secret = _cookie(request)
        if secret is not None:
            self._entry.leave(secret)

    def cookie(self, request: Request, secret: str) -> tuple[str, str]:
        """The header that gives a browser its cookie; with an empty secret, takes it away."""
        age = int(VISIT_SECONDS) if secret else 0
        # Where a proxy speaks TLS, the page knows, and we do not.
        secure = "; Secure" if request.headers.get("origin", "").startswith("https:") else ""
        parts = f"{_cookie_name(request)}={secret}; Path=/console; Max-Age={age}"
        return "Set-Cookie", f"{parts}; HttpOnly; SameSite=Strict{secure}"


@attrs.frozen
class _Host:
    name: str
    port: str


def _host(value: str) -> _Host:
    name, separator, port = value.rpartition(":")
    return _Host(name, port) if separator and port.isdigit() else _Host(value, "")


def _name_of(host: str) -> str:
    return _host(host).name.strip("[]")


def _cookie_name(request: Request) -> str:
    # Browsers keep cookies by host and not by port, and two programs may run here.
    return f"trouper-console-{_host(request.headers.get('host', '')).port or 'web'}"


def _cookie(request: Request) -> str | None:
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(_cookie_name(request))
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def _shows_token(request: Request) -> bool:
    return request.headers.get("authorization", "").lower().startswith("bearer ")
