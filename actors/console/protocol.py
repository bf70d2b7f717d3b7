"""What is said on the feed, `trouper.inspect/1`: one JSON object a line, or a websocket message.

No I/O here: a line becomes a request (reading.py) or a `ConsoleFault`, which says
what is wrong and what there is. A line that does not begin with `{` is a word for people who
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
    "REPEATED",
    "ROLES",
    "TOPICS",
    "VERSION",
    "WANTS",
    "Act",
    "Code",
    "ConsoleFault",
    "Dump",
    "Follow",
    "Get",
    "Hello",
    "Id",
    "Inspect",
    "MakeLink",
    "OneSession",
    "Ping",
    "Repeated",
    "Request",
    "Role",
    "Stacks",
    "Subscribe",
    "Topic",
    "Trace",
    "Unsubscribe",
    "Want",
    "Word",
    "allows",
    "encode",
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
    "logs",
]
TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)

Repeated = Literal["feed", "watch", "follow"]
REPEATED: Final[tuple[Repeated, ...]] = get_args(Repeated)
"""What is told again and again, until it is unsubscribed: one of each a client."""

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
    "resend": "operate",
    "loglevel": "operate",
    "limit": "admin",
    "send": "admin",
}
"""What can be done, and the least role that may."""

Code = Literal["bad_request", "read_only", "denied", "not_found", "stale", "refused", "busy"]


def allows(role: Role, least: Role) -> bool:
    """Whether `role` may do what is for `least`."""
    return ROLES.index(role) >= ROLES.index(least)


class ConsoleFault(Exception):
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
    """Tell that no longer, or nothing: a page that nobody looks at."""

    id: Id
    what: Repeated | None


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
class Stacks:
    """Tell where the code of all actors at and below a path waits, equal stacks once."""

    id: Id
    under: str


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
class OneSession:
    """Tell one conversation, turn by turn; with `text` also what was said, to admins."""

    id: Id
    session: str
    text: bool


@attrs.frozen
class Follow:
    """Tell one conversation, and then what comes, `hz` times a second at most; else as OneSession."""

    id: Id
    session: str
    text: bool
    hz: float


@attrs.frozen
class MakeLink:
    """Make an address that opens the page once, in a browser of who runs the program."""

    id: Id


@attrs.frozen
class Dump:
    """Tell everything there is, for a look after the fact."""

    id: Id


@attrs.frozen
class Word:
    """A person's words."""

    words: tuple[str, ...]


Request = (
    Hello
    | Subscribe
    | Unsubscribe
    | Get
    | Inspect
    | OneSession
    | Follow
    | Stacks
    | Trace
    | Act
    | Ping
    | MakeLink
    | Dump
    | Word
)


def encode(frame: Mapping[str, Any]) -> str:
    """A frame as one line, without its end."""
    return orjson.dumps(frame, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
