"""What is said on the feed, `trouper.inspect/1`: one JSON object a line, or a websocket message.

No I/O here: a line becomes a request or a `BadRequest`, which says what is wrong
and what there is. A line that does not begin with `{` is a word for people who
have nothing but `nc -U`: `tree`, `inspect PATH`, `help`.

docs/reference/feed.md has all shapes; its tables are made from this module.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import attrs
import orjson

__all__ = [
    "ACTIONS",
    "COLUMNS",
    "LONGEST_LINE",
    "ROLES",
    "TOPICS",
    "VERSION",
    "WANTS",
    "Act",
    "BadRequest",
    "Code",
    "Dump",
    "Get",
    "Hello",
    "Inspect",
    "Ping",
    "Request",
    "Role",
    "Subscribe",
    "Topic",
    "Trace",
    "Unsubscribe",
    "Want",
    "Word",
    "allows",
    "encode",
    "read_request",
]

VERSION: Final = 1

LONGEST_LINE: Final = 65_536
"""Characters of a request: a hundred times the longest sensible one."""

Role = Literal["read", "operate", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""Who may do what: each may do what those before it may."""

Topic = Literal[
    "tree",
    "totals",
    "attention",
    "events",
    "providers",
    "requests",
    "sessions",
    "costs",
    "dead",
    "crashes",
]
TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)

Want = Literal["fields", "stack", "mailbox", "recent", "crashes"]
WANTS: Final[tuple[Want, ...]] = get_args(Want)

COLUMNS: Final = (
    "id",
    "state",
    "health",
    "detail",
    "depth",
    "n",
    "err",
    "restarts",
    "busy_ms",
    "oldest_ms",
    "cur_ms",
    "in_hand",
    "gen",
)
"""What a row of the tree has, in this order."""

ACTIONS: Final[Mapping[str, Role]] = {
    "restart": "operate",
    "stop": "operate",
    "suspend": "operate",
    "resume": "operate",
    "drain": "operate",
    "trip": "operate",
    "reset": "operate",
    "loglevel": "operate",
    "limit": "admin",
    "send": "admin",
}
"""What can be done, and the least role that may."""

Code = Literal["bad_request", "read_only", "denied", "not_found", "stale", "refused", "busy"]


def allows(role: Role, least: Role) -> bool:
    """Whether `role` may do what is for `least`."""
    return ROLES.index(role) >= ROLES.index(least)


class BadRequest(Exception):
    """A request that cannot be done, with a code for programs and words for people.

    `id` is that of the request, where it could be read.
    """

    def __init__(self, code: Code, message: str, id: int | str | None = None) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.id = id


Id = int | str | None


@attrs.frozen
class Hello:
    """Who comes. Answered by what there is, and what role it has."""

    client: str = ""


@attrs.frozen
class Subscribe:
    """Tell these topics from now on, `hz` times a second at most; one subscription a client."""

    id: Id
    topics: tuple[Topic, ...]
    hz: float
    under: str
    kinds: tuple[str, ...]


@attrs.frozen
class Unsubscribe:
    """Tell them no longer: a page that nobody looks at."""

    id: Id


@attrs.frozen
class Get:
    """Tell these topics once."""

    id: Id
    topics: tuple[Topic, ...]
    under: str
    kinds: tuple[str, ...]


@attrs.frozen
class Inspect:
    """Tell all of one actor; with `watch` again and again, with the frames of the subscription."""

    id: Id
    path: str
    want: tuple[Want, ...]
    watch: bool


@attrs.frozen
class Trace:
    """Tell each message that an actor handles, until one of the limits is reached."""

    id: Id
    path: str
    limit: int
    seconds: float
    rate: float
    bodies: bool


@attrs.frozen
class Act:
    """Do something. `life` is the one that the operator saw; None where it does not matter."""

    id: Id
    act: str
    path: str
    gen: int | None
    reason: str
    dry: bool
    args: Mapping[str, Any]


@attrs.frozen
class Ping:
    """Are you there?"""

    id: Id


@attrs.frozen
class Dump:
    """Tell everything there is, for a look after the fact."""

    id: Id


@attrs.frozen
class Word:
    """A person's words."""

    words: tuple[str, ...]


Request = Hello | Subscribe | Unsubscribe | Get | Inspect | Trace | Act | Ping | Dump | Word


def encode(frame: Mapping[str, Any]) -> str:
    """A frame as one line, without its end."""
    return orjson.dumps(frame, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def read_request(line: str) -> Request:
    """The request in a line. Raises BadRequest."""
    if len(line) > LONGEST_LINE:
        raise BadRequest("bad_request", f"a line has at most {LONGEST_LINE} characters")
    line = line.strip()
    if not line.startswith("{"):
        return Word(tuple(line.split()))
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadRequest("bad_request", f"this is not JSON: {error}") from None
    return _Fields(values).request()


class _Fields:
    """The fields of a request, each checked as it is taken."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        id = values.get("id")
        self.id: Id = id if isinstance(id, int | str) and len(str(id)) <= 64 else None

    def request(self) -> Request:
        op = self._values.get("op")
        make = _OPS.get(op) if isinstance(op, str) else None
        if make is None:
            raise self.fault(f"no op {str(op)[:80]!r}; there is {', '.join(_OPS)}")
        request: Request = make(self)
        return request

    def fault(self, message: str) -> BadRequest:
        return BadRequest("bad_request", message, self.id)

    def text(self, key: str, default: str | None = None, longest: int = 1_024) -> str:
        value = self._values.get(key, default)
        if not isinstance(value, str) or len(value) > longest:
            raise self.fault(f"{key} must be text of up to {longest} characters")
        return value

    def path(self, key: str = "path", default: str | None = None) -> str:
        return self.text(key, default).strip("/")

    def number(self, key: str, default: float, most: float) -> float:
        value = self._values.get(key, default)
        if type(value) not in (int, float) or not 0 < value <= most:
            raise self.fault(f"{key} must be a number above 0 and up to {most:g}")
        return float(value)

    def switch(self, key: str) -> bool:
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise self.fault(f"{key} must be true or false")
        return value

    def words(self, key: str, known: tuple[Any, ...] | None, default: tuple[Any, ...]) -> Any:
        value: Any = self._values.get(key, list(default))
        if not isinstance(value, list) or len(value) > 32:
            raise self.fault(f"{key} must be a list")
        for one in value:
            if not isinstance(one, str) or (known is not None and one not in known):
                there = f"; there is {', '.join(known)}" if known is not None else ""
                raise self.fault(f"{key} has {str(one)[:80]!r}{there}")
        return tuple(value)

    def gen(self) -> int | None:
        value = self._values.get("gen")
        if value is not None and type(value) is not int:
            raise self.fault("gen must be a whole number")
        return value

    def args(self) -> Mapping[str, Any]:
        value = self._values.get("args", {})
        if not isinstance(value, dict) or len(value) > 32:
            raise self.fault("args must be an object")
        return value


def _hello(fields: _Fields) -> Hello:
    return Hello(fields.text("client", "", 80))


def _subscribe(fields: _Fields) -> Subscribe:
    return Subscribe(
        id=fields.id,
        topics=fields.words("topics", TOPICS, ("tree", "totals", "attention")),
        # More would be motion and no news; the server holds itself to it.
        hz=fields.number("hz", 1.0, 1_000.0),
        under=fields.path("under", ""),
        kinds=fields.words("kinds", None, ()),
    )


def _get(fields: _Fields) -> Get:
    return Get(
        id=fields.id,
        topics=fields.words("topics", TOPICS, ("tree", "totals", "attention")),
        under=fields.path("under", ""),
        kinds=fields.words("kinds", None, ()),
    )


def _inspect(fields: _Fields) -> Inspect:
    return Inspect(fields.id, fields.path(), fields.words("want", WANTS, WANTS), watch=False)


def _watch(fields: _Fields) -> Inspect:
    return Inspect(fields.id, fields.path(), fields.words("want", WANTS, WANTS), watch=True)


def _trace(fields: _Fields) -> Trace:
    return Trace(
        id=fields.id,
        path=fields.path(),
        limit=int(fields.number("limit", 200, 10_000)),
        seconds=fields.number("seconds", 60.0, 600.0),
        rate=fields.number("rate", 20.0, 1_000.0),
        bodies=fields.switch("bodies"),
    )


def _act(fields: _Fields) -> Act:
    act = fields.text("act", longest=40)
    if act not in ACTIONS:
        raise fields.fault(f"no act {act!r}; there is {', '.join(ACTIONS)}")
    return Act(
        id=fields.id,
        act=act,
        path=fields.path(default=""),
        gen=fields.gen(),
        reason=fields.text("reason", "", 500),
        dry=fields.switch("dry"),
        args=fields.args(),
    )


def _unsubscribe(fields: _Fields) -> Unsubscribe:
    return Unsubscribe(fields.id)


def _dump(fields: _Fields) -> Dump:
    return Dump(fields.id)


def _ping(fields: _Fields) -> Ping:
    return Ping(fields.id)


_OPS: Final[Mapping[str, Any]] = {
    "hello": _hello,
    "sub": _subscribe,
    "unsub": _unsubscribe,
    "get": _get,
    "inspect": _inspect,
    "watch": _watch,
    "trace": _trace,
    "act": _act,
    "dump": _dump,
    "ping": _ping,
}
