"""What the simulated provider says, and how it fails: frozen values.

A `Script` is a list of rules. The first rule that matches a request answers
it: with a reply, and with at most one fault on the way. Where none matches,
the reply is an echo, so that an empty script is a useful one.

Faults that strike "after n bytes" count bytes of the response's body, without
the head and without the framing of chunks; a body that is shorter than that
never meets its fault, and the request log says so. Faults that strike at a
frame count the frames of a stream from 0, which is the one that names the role.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import attrs
from attrs import validators

from .checks import header_names_and_values

__all__ = [
    "ECHO",
    "Cut",
    "Drip",
    "EmptyReply",
    "ErrorFrame",
    "Fault",
    "Html",
    "Malformed",
    "Pings",
    "ResetConnection",
    "Rule",
    "Script",
    "ScriptedAnswer",
    "ScriptedReply",
    "ScriptedToolCall",
    "ScriptedUsage",
    "Silence",
    "Stall",
    "StatusError",
    "Unmarked",
]

# What a body cannot be sent with: RFC 9110 15.3.5, 15.3.6 and 15.4.5.
_BODILESS = (204, 205, 304)

_count = validators.and_(validators.ge(0), validators.le(1_000_000))
# A day: whoever scripts a longer pause has mistaken the unit.
_seconds = validators.and_(validators.ge(0.0), validators.le(86_400.0))


def _status(_: Any, attribute: "attrs.Attribute[int]", value: int) -> None:
    if not 200 <= value <= 599 or value in _BODILESS:
        raise ValueError(
            f"'{attribute.name}' must be a status that has a body, 200 to 599: {value}"
        )


@attrs.frozen(kw_only=True)
class ScriptedToolCall:
    """A tool call of the model. `arguments` is JSON, or any text to be sent as it is.

    Without an `id` the simulator mints one.
    """

    name: str
    arguments: Mapping[str, Any] | str = attrs.field(factory=dict[str, Any], hash=False)
    id: str = ""


@attrs.frozen(kw_only=True)
class ScriptedUsage:
    """The numbers that the reply claims, in tokens."""

    prompt_tokens: int = attrs.field(validator=_count)
    completion_tokens: int = attrs.field(validator=_count)
    cached_tokens: int = attrs.field(default=0, validator=_count)
    reasoning_tokens: int = attrs.field(default=0, validator=_count)


@attrs.frozen(kw_only=True)
class ScriptedReply:
    """What the model answers.

    `{last}` in `text` stands for the request's last user message, `{result}` for
    the last result of a tool, and the text is said `repeat` times. A stream deals it into `chunks` deltas of even
    length (never more than it has characters), or else `words_per_chunk` at a
    time. The first content comes `delay` seconds after the head, each further
    delta `pace` seconds after the one before; the schedule is absolute, so a
    late delta does not delay the others. A plain reply waits as long as its
    stream would take.

    `usage` is counted in words where it says so. `finish_reason` is stop or
    tool_calls where none is given. With `framing` "close" the body of a stream
    ends with the connection, as HTTP/1.0 has it. `raw` replaces the whole body:
    its items are sent one by one, at the pace, as they are. `headers` go with
    the status 200.
    """

    text: str = ""
    repeat: int = attrs.field(default=1, validator=_count)
    tool_calls: tuple[ScriptedToolCall, ...] = ()
    chunks: int | None = attrs.field(
        default=None, validator=validators.optional(validators.and_(_count, validators.ge(1)))
    )
    words_per_chunk: int = attrs.field(
        default=1, validator=validators.and_(_count, validators.ge(1))
    )
    delay: float = attrs.field(default=0.0, validator=_seconds)
    pace: float = attrs.field(default=0.0, validator=_seconds)
    usage: ScriptedUsage | Literal["counted", "none"] = "counted"
    finish_reason: str | None = None
    framing: Literal["chunked", "close"] = "chunked"
    raw: tuple[str, ...] = ()
    headers: Mapping[str, str] = attrs.field(
        factory=dict[str, str], hash=False, validator=header_names_and_values
    )


ECHO = ScriptedReply(text="You said: {last}")


@attrs.frozen(kw_only=True)
class StatusError:
    """An answer with `status` instead of the reply; without a `body`, an error as OpenAI words it."""

    kind: ClassVar[str] = "status"
    status: int = attrs.field(validator=_status)
    headers: Mapping[str, str] = attrs.field(
        factory=dict[str, str], hash=False, validator=header_names_and_values
    )
    body: Mapping[str, Any] | str | None = attrs.field(default=None, hash=False)


@attrs.frozen(kw_only=True)
class Html:
    """A web page instead of the reply, as proxies and wrong addresses serve it."""

    kind: ClassVar[str] = "html"
    status: int = attrs.field(default=200, validator=_status)
    body: str = "<!doctype html><html><body><h1>It works!</h1></body></html>"


@attrs.frozen(kw_only=True)
class Cut:
    """The connection is closed in order after `after` bytes, in the middle of the body."""

    kind: ClassVar[str] = "cut"
    after: int = attrs.field(validator=_count)


@attrs.frozen(kw_only=True)
class ResetConnection:
    """The connection is reset (RST) after `after` bytes."""

    kind: ClassVar[str] = "reset"
    after: int = attrs.field(validator=_count)


@attrs.frozen(kw_only=True)
class Stall:
    """Nothing comes after `after` bytes; the connection stays open until the client leaves."""

    kind: ClassVar[str] = "stall"
    after: int = attrs.field(validator=_count)


@attrs.frozen(kw_only=True)
class Unmarked:
    """The body ends in order but too early: after `frames` frames (all content if
    None), without finish_reason, usage and [DONE]."""

    kind: ClassVar[str] = "unmarked"
    frames: int | None = attrs.field(default=None, validator=validators.optional(_count))


@attrs.frozen(kw_only=True)
class Malformed:
    """Frame `frame` comes as half of its JSON, and the stream goes on; a plain
    reply is half of its JSON."""

    kind: ClassVar[str] = "malformed"
    frame: int = attrs.field(default=1, validator=_count)


@attrs.frozen(kw_only=True)
class ErrorFrame:
    """An error object in place of frame `frame`, under status 200, and then the end
    of the stream, with [DONE] where `done` says so. A plain reply is the error object."""

    kind: ClassVar[str] = "error_frame"
    frame: int = attrs.field(default=1, validator=_count)
    message: str = "The server had an error while processing your request"
    type: str = "server_error"
    code: str | None = None
    done: bool = False


@attrs.frozen(kw_only=True)
class Drip:
    """The body comes `bytes` bytes a write, `seconds` apart, whatever the pace."""

    kind: ClassVar[str] = "drip"
    bytes: int = attrs.field(default=1, validator=validators.and_(_count, validators.ge(1)))
    seconds: float = attrs.field(default=0.01, validator=_seconds)


@attrs.frozen(kw_only=True)
class Pings:
    """After the head, comment lines every `seconds` and never a word, until the client leaves."""

    kind: ClassVar[str] = "pings"
    seconds: float = attrs.field(default=1.0, validator=[_seconds, validators.gt(0.0)])


@attrs.frozen(kw_only=True)
class Silence:
    """The request is taken and never answered, not even by a head."""

    kind: ClassVar[str] = "silence"


@attrs.frozen(kw_only=True)
class EmptyReply:
    """The connection is closed in order without a byte."""

    kind: ClassVar[str] = "empty_reply"


Fault = (
    StatusError
    | Html
    | Cut
    | ResetConnection
    | Stall
    | Unmarked
    | Malformed
    | ErrorFrame
    | Drip
    | Pings
    | Silence
    | EmptyReply
)


@attrs.frozen(kw_only=True)
class ScriptedAnswer:
    """A reply, and what goes wrong with it. The header `x-sim` of a request holds one."""

    reply: ScriptedReply = ECHO
    fault: Fault | None = None


@attrs.frozen(kw_only=True)
class Rule(ScriptedAnswer):
    """An answer for the requests that match: all of them where no condition is given.

    `model` is compared whole, `contains` is looked for in the last user
    message, `after_tool` says whether the request ends in the result of a tool
    (without it a model that calls one would call it for ever), and the rule is
    used up after `times` answers.
    """

    model: str | None = None
    contains: str | None = None
    after_tool: bool | None = None
    times: int | None = attrs.field(
        default=None, validator=validators.optional(validators.and_(_count, validators.ge(1)))
    )

    def matches(self, model: str, last: str, *, after_tool: bool) -> bool:
        """Whether this rule answers a request for `model` whose last user message is `last`."""
        return (
            (self.model is None or self.model == model)
            and (self.contains is None or self.contains in last)
            and (self.after_tool is None or self.after_tool is after_tool)
        )


@attrs.frozen(kw_only=True)
class Script:
    """The rules, in the order in which they are tried, and the models that are listed.

    A request for a model that is not listed is answered all the same.
    """

    rules: tuple[Rule, ...] = ()
    models: tuple[str, ...] = ("sim",)
