"""The console's page: a fixed table of files, the way in, and the feed.

The files are the same for everybody and tell nothing, so they need no cookie;
all that is told comes over the feed. No path of a client's ever becomes the
path of a file.
"""

from hashlib import sha256
from pathlib import Path
from typing import Final

import attrs
import orjson

from ..config.tokens import Scope
from ..console.entry import Visitor
from .console_access import ConsoleAccess
from .console_feed import Converse, FeedHandler
from .http import HttpFault, Request, Response
from .routes import PlainRoute, SocketRoute

__all__ = ["FILES", "ConsolePage"]

_FOLDER: Final = Path(__file__).parent.parent / "console" / "web"

_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

FILES: Final = (
    "index.html",
    "style.css",
    "tree.css",
    "pages.css",
    "icon.svg",
    "app.js",
    "dom.js",
    "model.js",
    "connection.js",
    "format.js",
    "parts.js",
    "tree.js",
    "rows.js",
    "actor.js",
    "acting.js",
    "attention.js",
    "providers.js",
    "sessions.js",
    "session.js",
    "costs.js",
    "lists.js",
    "keys.js",
    "vendor/preact.mjs",
    "vendor/hooks.mjs",
    "vendor/htm.mjs",
)
"""All that is served. A new file has its name here."""

# Styles are set by scripts through the CSSOM, which needs no 'unsafe-inline'.
_POLICY: Final = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
# An upgrade of the program is seen at the next look.
_FRESH: Final = ("Cache-Control", "no-cache")
_NEVER: Final = ("Cache-Control", "no-store")


@attrs.frozen
class _File:
    kind: str
    body: bytes = attrs.field(repr=False)

    @property
    def tag(self) -> str:
        return f'"{sha256(self.body).hexdigest()[:20]}"'


class ConsolePage:
    """The routes of the page. `converse` serves those who have come in."""

    def __init__(self, access: ConsoleAccess, converse: Converse) -> None:
        self._access = access
        self._files = {f"/console/{name}": _read(name) for name in FILES}
        self._files["/console/"] = self._files.pop("/console/index.html")
        session = {"GET": self._who, "POST": self._enter, "DELETE": self._leave}
        self.routes = {
            "/console": PlainRoute({"GET": self._moved}),
            "/console/session": PlainRoute(session),
            **{path: PlainRoute({"GET": self._file}) for path in self._files},
        }
        """For the front's table."""
        feed = SocketRoute(
            begin=lambda websocket, principal: FeedHandler(converse, websocket, principal),
            scope=Scope.CONSOLE_READ,
            subprotocols=("trouper.inspect.v1",),
            admit=access.admit,
        )
        self.sockets = {"/console/feed": feed}
        """For the front's table."""

    async def _file(self, request: Request, body: bytes) -> Response:
        self._access.check_host(request)
        file = self._files[request.path]
        headers = (*_HEADERS, _FRESH, ("ETag", file.tag))
        if request.headers.get("if-none-match") == file.tag:
            return Response(304, b"", file.kind, headers)
        return Response(200, file.body, file.kind, headers)

    async def _moved(self, request: Request, body: bytes) -> Response:
        self._access.check_host(request)
        return Response(308, headers=(("Location", "/console/"), *_HEADERS))

    async def _who(self, request: Request, body: bytes) -> Response:
        """Whether this browser is let in: what a page asks before it opens the feed."""
        self._access.check_host(request)
        visitor = self._access.seen(request)
        if visitor is None:
            visitor = self._access.by_token(request)
        return _told(visitor)

    async def _enter(self, request: Request, body: bytes) -> Response:
        self._access.check_page(request)
        code = _code(body)
        if code is None:
            visitor = self._access.by_token(request)
            secret = self._access.enter(visitor)
        else:
            secret, visitor = self._access.by_code(request, code)
        return _told(visitor, self._access.cookie(request, secret))

    async def _leave(self, request: Request, body: bytes) -> Response:
        self._access.check_page(request)
        self._access.leave(request)
        headers = (*_HEADERS, _NEVER, self._access.cookie(request, ""))
        return Response(200, b"{}", "application/json", headers)


def _told(visitor: Visitor, *headers: tuple[str, str]) -> Response:
    told = orjson.dumps({"by": visitor.by, "role": visitor.role})
    return Response(200, told, "application/json", (*_HEADERS, _NEVER, *headers))


def _code(body: bytes) -> str | None:
    """The code of a link, where the request has one. Raises HttpFault 400."""
    if not body:
        return None
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError:
        values = None
    code = values.get("code") if isinstance(values, dict) else None
    if not isinstance(code, str) or len(code) > 200:
        raise HttpFault(400, 'send {"code": "..."}, what is behind # enter= in the link')
    return code


def _read(name: str) -> _File:
    path = _FOLDER / name
    return _File(_KINDS[path.suffix], path.read_bytes())
