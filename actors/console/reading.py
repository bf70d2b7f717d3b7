"""A line of a client into a request, or the words of its fault.

Each field is checked as it is taken; nothing that a client sends goes further
unlooked at.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from ..redaction import printable_line, redact_text
from .protocol import (
    ACTIONS,
    LONGEST_LINE,
    REPEATED,
    TOPICS,
    VERSION,
    WANTS,
    Act,
    ConsoleFault,
    Dump,
    Follow,
    Get,
    Hello,
    Id,
    Inspect,
    MakeLink,
    OneSession,
    Ping,
    Request,
    Stacks,
    Subscribe,
    Trace,
    Unsubscribe,
    Word,
)

__all__ = ["read_request"]


def read_request(line: str) -> Request:
    """The request in a line. Raises ConsoleFault."""
    if len(line) > LONGEST_LINE:
        raise ConsoleFault("bad_request", f"a line has at most {LONGEST_LINE} characters")
    line = line.strip()
    if not line.startswith("{"):
        return Word(tuple(line.split()))
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ConsoleFault("bad_request", f"this is not JSON: {error}") from None
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
        return make(self)

    def fault(self, message: str) -> ConsoleFault:
        return ConsoleFault("bad_request", message, self.id)

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

    def word(self, key: str, known: tuple[Any, ...]) -> Any:
        value = self._values.get(key)
        if value is not None and value not in known:
            raise self.fault(f"{key} is {str(value)[:80]!r}; there is {', '.join(known)}")
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

    def version(self) -> None:
        value = self._values.get("v", VERSION)
        if type(value) is not int or value != VERSION:
            raise self.fault(f"v is {str(value)[:80]!r}, and this program speaks {VERSION}")

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
    fields.version()
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


def _stacks(fields: _Fields) -> Stacks:
    return Stacks(fields.id, fields.path("under", ""))


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
        # Cleaned here once: it goes into the record, and with a trip into the words of errors.
        reason=printable_line(redact_text(fields.text("reason", "", 500))),
        dry=fields.switch("dry"),
        args=fields.args(),
    )


def _one_session(fields: _Fields) -> OneSession:
    return OneSession(fields.id, fields.text("session", longest=200), fields.switch("text"))


def _follow(fields: _Fields) -> Follow:
    session, text = fields.text("session", longest=200), fields.switch("text")
    return Follow(fields.id, session, text, fields.number("hz", 4.0, 1_000.0))


def _unsubscribe(fields: _Fields) -> Unsubscribe:
    return Unsubscribe(fields.id, fields.word("what", REPEATED))


def _link(fields: _Fields) -> MakeLink:
    return MakeLink(fields.id)


def _dump(fields: _Fields) -> Dump:
    return Dump(fields.id)


def _ping(fields: _Fields) -> Ping:
    return Ping(fields.id)


_OPS: Final[Mapping[str, Callable[[_Fields], Request]]] = {
    "hello": _hello,
    "sub": _subscribe,
    "unsub": _unsubscribe,
    "get": _get,
    "inspect": _inspect,
    "watch": _watch,
    "session": _one_session,
    "follow": _follow,
    "stacks": _stacks,
    "trace": _trace,
    "act": _act,
    "link": _link,
    "dump": _dump,
    "ping": _ping,
}
