"""Log lines: logfmt on stderr, one line each, bounded, without secrets, and never an exception.

`msg` is a constant phrase and values go into fields, so that lines can be
searched: `log.warning("provider restarted", provider="openai", attempt=2)`.
Fields that mean the same everywhere: time level msg actor kind session request
provider model trace_id span_id. Prompts and answers are not logged.

What reaches a line may come from a model or from a stranger: text is never
trusted to be one line, free of terminal sequences, or short. The processors
are plain functions from fields to fields, in the order of `_PROCESSORS`.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import BindableLogger, EventDict, Processor

from .log_levels import LEVELS, ByActor, number_of
from .log_lines import LogLines
from .log_sharing import SharedLogging
from .redaction import MASK, is_secret_name, printable, redact_text

__all__ = [
    "LEVELS",
    "MAX_FIELDS",
    "MAX_VALUE",
    "change_level",
    "clean_keys",
    "configure_logging",
    "current_level",
    "cut_fields",
    "drop_none",
    "exception_fields",
    "log_by_default",
    "mask_secrets",
    "one_line",
    "recent_lines",
    "render",
    "tells_info",
]

KEY_ORDER: Final = ("time", "level", "msg", "actor")
MAX_VALUE: Final = 2_048
"""Characters of one value; a line of a screen has 200."""
MAX_FIELDS: Final = 48
_MAX_KEY: Final = 64
# The end of a traceback says what happened; its beginning is the event loop.
_MAX_TRACEBACK: Final = 8_192
_MAX_LINE: Final = 16_384
# The longest secret there is (`Secret`): text is cut so far behind what is kept.
_LONGEST_SECRET: Final = 4_096
_MAX_DEPTH: Final = 3
_MAX_ITEMS: Final = 16

Fields = Mapping[str, Any]


def exception_fields(fields: Fields) -> EventDict:
    """`exc_info` as the fields `error` (type and text), `at` and `traceback`.

    Without local variables, which hold prompts and keys.
    """
    fields = dict(fields)
    info = fields.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if not isinstance(error, BaseException):
        return fields
    summary = traceback.TracebackException.from_exception(error, limit=-32, compact=True)
    lines = list(summary.format())
    fields["error"] = "".join(summary.format_exception_only()).strip()
    if summary.stack:
        frame = summary.stack[-1]
        fields["at"] = f"{frame.filename}:{frame.lineno} in {frame.name}"
    whole = "".join(lines).strip()
    # What is cut off first may end within a secret; that end is redacted with the rest.
    fields["traceback"] = whole[-_MAX_TRACEBACK - _LONGEST_SECRET :]
    return fields


def drop_none(fields: Fields) -> EventDict:
    """Without the fields that are None: they say nothing, and would render as empty text."""
    return {key: value for key, value in fields.items() if value is not None}


def mask_secrets(fields: Fields) -> EventDict:
    """Every value as text without secrets; true, false and numbers stay what they are."""
    return {key: _shown(key, value, 0) for key, value in fields.items()}


def _shown(key: object, value: object, depth: int) -> object:
    # By the exact type: a subclass may print as it likes, or raise.
    if value is None or type(value) in (bool, float):
        return value
    if type(value) is int and value.bit_length() <= 64:
        return value
    if isinstance(key, str) and is_secret_name(key):
        return MASK
    limit = _MAX_TRACEBACK if key == "traceback" else MAX_VALUE
    return _redacted(_text(value, depth), limit, keep_end=key == "traceback")


def _text(value: object, depth: int) -> str:
    try:
        match value:
            case str():
                return str.__str__(value)  # a plain one also of a subclass
            case bytes() | bytearray() | memoryview():
                return str(bytes(value[: MAX_VALUE * 4]))
            case dict() if depth < _MAX_DEPTH:
                pairs = list(value.items())[:_MAX_ITEMS]
                inner = (f"{_text(k, depth + 1)}: {_shown(k, v, depth + 1)}" for k, v in pairs)
                return "{" + ", ".join(inner) + _more(len(value)) + "}"
            case list() | tuple() if depth < _MAX_DEPTH:
                inner = (str(_shown(None, v, depth + 1)) for v in value[:_MAX_ITEMS])
                return "[" + ", ".join(inner) + _more(len(value)) + "]"
            case _:
                return str.__str__(str(value))
    except Exception as error:  # noqa: BLE001 -- a value's own code ran; no line fails for it
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _more(count: int) -> str:
    return f", and {count - _MAX_ITEMS} more" if count > _MAX_ITEMS else ""


def _redacted(text: str, limit: int, *, keep_end: bool = False) -> str:
    if len(text) <= limit:
        return redact_text(text)
    # A secret that the cut goes through is not recognized. It reaches at most
    # so far into what is kept, so that much is thrown away after the search.
    spare = limit + _LONGEST_SECRET
    if keep_end:
        kept = redact_text(text[-spare:])
        return "[...] " + kept[_LONGEST_SECRET if len(text) > spare else 0 :][-limit:]
    kept = redact_text(text[:spare])
    kept = kept[: len(kept) - _LONGEST_SECRET] if len(text) > spare else kept
    return kept[:limit] + f" [...] ({len(text)} characters)"


def clean_keys(fields: Fields) -> EventDict:
    """Keys that logfmt can carry: no whitespace, quotes, equals signs, nothing invisible."""
    cleaned: EventDict = {}
    for key, value in fields.items():
        name = key if type(key) is str else _text(key, 0)
        name = redact_text(name[: _LONGEST_SECRET * 2])[:_MAX_KEY]
        if not name.isidentifier():
            name = "".join(_key_character(character) for character in name) or "_"
        while name in cleaned:
            name += "_"
        cleaned[name] = value
    return cleaned


def _key_character(character: str) -> str:
    return character if character.isprintable() and character not in ' "=\\' else "_"


def one_line(fields: Fields) -> EventDict:
    """Text without what a terminal obeys or an eye cannot see: such characters as escapes.

    Line breaks stay; the renderer writes them as escapes.
    """
    return {key: printable(value) if type(value) is str else value for key, value in fields.items()}


def cut_fields(fields: Fields) -> EventDict:
    """At most so many fields and characters as a line may have; `cut` says how many are gone."""
    ordered = {key: fields[key] for key in KEY_ORDER if key in fields}
    ordered.update(fields)
    kept: EventDict = {}
    room = _MAX_LINE
    for key, value in ordered.items():
        room -= len(key) + len(str(value)) + 4
        if len(kept) >= MAX_FIELDS or room < 0:
            kept["cut"] = len(ordered) - len(kept)
            break
        kept[key] = value
    return kept


_PROCESSORS: tuple[Callable[[Fields], EventDict], ...] = (
    exception_fields,
    drop_none,
    mask_secrets,
    clean_keys,
    one_line,
    cut_fields,
)

_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
_logfmt = structlog.processors.LogfmtRenderer(
    key_order=KEY_ORDER, drop_missing=True, bool_as_flag=False
)


def render(_: object, method: str, event_dict: EventDict) -> str:
    """The line of one event. It never raises: a log line must not crash who logs it."""
    try:
        fields: EventDict = {**event_dict, "msg": event_dict.get("event")}
        fields.pop("event", None)
        for process in _PROCESSORS:
            fields = process(fields)
        fields["level"] = {"exception": "ERROR", "warn": "WARNING"}.get(method, method.upper())
        line = _logfmt(None, method, _stamp(None, method, fields))
    except Exception as error:  # noqa: BLE001 -- see the docstring
        return f'level=ERROR msg="a log line could not be made" error={type(error).__name__}'
    return str(line)


recent_lines = LogLines()
"""The last lines of this process, where it logs by what is set here."""


class _Lines:
    """Writes lines to a stream. A stream that is closed or broken loses them silently: there
    is no other place to say so."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        recent_lines.add(line)
        try:
            try:
                self._stream.write(line + "\n")
            except UnicodeEncodeError:
                self._stream.write(line.encode("ascii", "backslashreplace").decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = log = msg


class _FromLogging(logging.Handler):
    """What libraries say by `logging`, through the same processors."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 -- a library's wrong format string must not crash us
            text = str(record.msg)
        level = max(logging.DEBUG, min(logging.CRITICAL, record.levelno // 10 * 10))
        structlog.get_logger("trouper.logging").log(
            level, text, logger=record.name, exc_info=record.exc_info
        )


def log_by_default() -> None:
    """Warnings to stderr for who embeds Trouper and has not set up structlog.

    By itself structlog would print every line to stdout, secrets included.
    Nothing is changed for who has, nor for the standard library's logging, nor for
    the lines of a program that uses structlog as it comes.
    """
    global _theirs  # noqa: PLW0603 - as in _configure
    if not structlog.is_configured():
        _theirs = structlog.get_config()
        _configure("warning", sys.stderr)


def configure_logging(level: str = "info", stream: TextIO | None = None) -> None:
    """Log lines of `level` and above to `stream` (None: stderr), for the whole process.

    `level` is one of LEVELS; ValueError names them. Calling it again replaces
    what was. A program that embeds Trouper and has set up structlog by itself
    leaves this out, and may use `render` as its last processor.
    """
    if level not in LEVELS:
        raise ValueError(f"no log level {level!r}; known: {', '.join(LEVELS)}")
    global _theirs  # noqa: PLW0603 - as in _configure
    _theirs = None
    number = _configure(level, sys.stderr if stream is None else stream)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _FromLogging)]:
        root.removeHandler(handler)
    # Below warnings, libraries tell of every request, with its URL.
    root.addHandler(_FromLogging(level=max(number, logging.WARNING)))


def current_level() -> str | None:
    """The level that lines must have; None where the program has set up structlog by itself."""
    return _state[0] if _state is not None and _is_in_force() else None


def tells_info() -> bool:
    """Whether a line of level "info" is told to anybody.

    To be asked where every call has one: to find it out costs structlog as much as two asks.
    It is true where the program has set up structlog by itself.
    """
    if _state is None or _lowest <= logging.INFO:
        return True
    return not _is_in_force()


def _is_in_force() -> bool:
    """Whether structlog has what was set here, and the program nothing since."""
    return structlog.get_config()["wrapper_class"] is _wrapper


def change_level(level: str, by_actor: ByActor | None = None) -> None:
    """Another level from now on, on the same stream, for an operator who looks closer.

    `by_actor` says which actors have levels of their own. What libraries say keeps
    its own. Raises ValueError where `current_level` is None.
    """
    if current_level() is None or _state is None:
        raise ValueError("the program has set up its logging by itself")
    if level not in LEVELS:
        raise ValueError(f"no log level {level!r}; known: {', '.join(LEVELS)}")
    _configure(level, _state[1], by_actor)


# The level and the stream of the process, as they were set last.
_state: tuple[str, TextIO] | None = None
# The least level of a line that anybody is told, as logging counts.
_lowest = logging.NOTSET
# What structlog has of them, unless the program has set it up anew.
_wrapper: type[BindableLogger] | None = None
# What structlog had before, for the lines of the program; None where all are written as ours.
_theirs: Mapping[str, Any] | None = None


def _configure(level: str, stream: TextIO, by_actor: ByActor | None = None) -> int:
    global _state, _lowest, _wrapper  # noqa: PLW0603 - structlog's configuration is one for the process, too
    number = number_of(level)
    _state = (level, stream)
    _lowest = number if by_actor is None else min(number, by_actor.lowest)
    wrapper: type[BindableLogger] = structlog.make_filtering_bound_logger(_lowest)
    lines = _Lines(stream)
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        *(() if by_actor is None else (by_actor,)),
        render,
    ]
    if _theirs is None:
        _wrapper = wrapper
        structlog.configure(
            processors=processors,
            wrapper_class=_wrapper,
            logger_factory=lambda *_: lines,
            cache_logger_on_first_use=False,
        )
        return number
    shared = SharedLogging(lines, wrapper, processors, _theirs)
    # Structlog wants a class, and calls it; so it may be a function.
    _wrapper = cast("type[BindableLogger]", shared.wrapper)
    structlog.configure(
        processors=[shared.process], wrapper_class=_wrapper, logger_factory=shared.factory
    )
    return number
