"""Tools that a file can name: programs, and MCP servers."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import attrs

from ..wire.converter import ALLOWED, CHECK, key_path, shown
from . import checks
from .secret import Secret, SecretOrText

__all__ = ["Approval", "McpConfig", "ToolConfig"]

Approval = Literal["never", "always"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")


def _tool_command(values: Iterable[str]) -> tuple[str, ...]:
    return checks.items("ToolConfig", "command", values)


def _mcp_command(values: Iterable[str]) -> tuple[str, ...]:
    return checks.items("McpConfig", "command", values)


def _values(values: Mapping[str, SecretOrText]) -> Mapping[str, SecretOrText]:
    return checks.frozen(values)


def _parameters(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return checks.frozen(values)


def _command() -> checks.Metadata:
    return checks.told("a list: the program and its arguments")


def _references() -> checks.Metadata:
    return checks.told('a table of "env:NAME", "file:PATH" and "text:VALUE"')


def _folder() -> checks.Metadata:
    return checks.told("the path of a folder")


def _url() -> checks.Metadata:
    wanted = 'an http or https URL, such as "https://mcp.example.org/mcp"'

    def check(value: object) -> str | None:
        if value == "" or (isinstance(value, str) and _is_url(value)):
            return None
        # It is not quoted: some servers want their key in it.
        return f"must be {wanted}"

    return {CHECK: check, ALLOWED: wanted}


def _is_url(value: str) -> bool:
    try:
        url = urlsplit(value)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and value.isprintable()


@attrs.frozen(kw_only=True)
class ToolConfig:
    """A program as a tool: its arguments come as JSON on stdin, its result is what it prints.

    It runs without a shell, in a process group of its own. Its environment is
    what a program needs to run at all, and `env`.
    """

    command: tuple[str, ...] = attrs.field(converter=_tool_command, metadata=_command())
    """The program and its arguments; no shell reads them."""
    description: str = attrs.field(metadata=checks.text(8_192))
    """What a model is told that the tool does, and when to use it."""
    parameters: Mapping[str, Any] = attrs.field(
        factory=dict[str, Any], converter=_parameters, hash=False, metadata=checks.table()
    )
    """The JSON schema of its arguments, an object's; without it there are none."""
    strict: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether the provider holds the model to the schema, which then says all properties to be
    required and no others allowed."""
    env: Mapping[str, SecretOrText] = attrs.field(
        factory=dict[str, SecretOrText], converter=_values, hash=False, metadata=_references()
    )
    """What stands in the program's environment beside PATH, HOME and the language."""
    cwd: Path | None = attrs.field(default=None, metadata=_folder())
    """The folder in which it runs; without it the one of Trouper."""
    # As long as a person waits for a chat bot before giving up on it.
    timeout: float = attrs.field(default=30.0, metadata=checks.seconds())
    """Seconds that a call may take with all its attempts, and again that it may wait for a
    place."""
    # A model that calls it in parallel is served, and what is behind it is not flooded.
    concurrency: int = attrs.field(default=8, metadata=checks.whole(1, 1_000))
    """How many calls run at once, over all conversations."""
    # Some 8,000 tokens, for which a model has room several times.
    result_limit: int = attrs.field(default=32_000, metadata=checks.whole(100, 10_000_000))
    """Characters of a result that the model is shown; what is over is cut, and it is told."""
    # Who names a program in a file has agreed to it.
    approval: Approval = attrs.field(
        default="never", metadata=checks.one_of("approval", get_args(Approval))
    )
    """Whether a person is asked before each call."""
    idempotent: bool = attrs.field(default=False, metadata=checks.switch())
    """Whether a second run does no harm: then the model is told that it may call again what a
    crash of Trouper has broken off. Nothing is run again by itself."""
    # What fails mostly fails for longer than a moment.
    attempts: int = attrs.field(default=1, metadata=checks.whole(1, 10))
    """How often a call that fails is tried; more than once only where it is idempotent."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        yield from _faults_of_command(self.command)
        yield from _faults_of_env(self.env)
        if not self.description.strip():
            yield "description: is empty; say what the tool does and when to use it"
        if self.attempts > 1 and not self.idempotent:
            yield "attempts: is more than 1 only where idempotent = true"
        if self.parameters:
            yield from _faults_of_schema(self.parameters, strict=self.strict)


@attrs.frozen(kw_only=True)
class McpConfig:
    """An MCP server: a program that speaks on stdin and stdout (`command`), or a `url`."""

    command: tuple[str, ...] = attrs.field(default=(), converter=_mcp_command, metadata=_command())
    """The server's program and its arguments; either this or `url`."""
    env: Mapping[str, SecretOrText] = attrs.field(
        factory=dict[str, SecretOrText], converter=_values, hash=False, metadata=_references()
    )
    """What stands in the program's environment beside PATH, HOME and the language."""
    cwd: Path | None = attrs.field(default=None, metadata=_folder())
    """The folder in which the program runs; without it the one of Trouper."""
    url: str = attrs.field(default="", metadata=_url())
    """Where a server that speaks streamable HTTP is."""
    token: Secret | None = attrs.field(
        default=None, metadata=checks.told("a reference to a secret")
    )
    """What such a server is shown as `Authorization: Bearer`."""
    headers: Mapping[str, SecretOrText] = attrs.field(
        factory=dict[str, SecretOrText], converter=_values, hash=False, metadata=_references()
    )
    """Further headers of each request to `url`."""
    # npx and uvx fetch what they run.
    start_timeout: float = attrs.field(default=60.0, metadata=checks.seconds())
    """Seconds until the server must have answered; then it is started anew, later and later."""
    # What the protocol's own SDK for TypeScript gives a request.
    timeout: float = attrs.field(default=60.0, metadata=checks.seconds())
    """Seconds that a call of one of its tools may take, and again that it may wait for a place."""
    # As of any other tool.
    concurrency: int = attrs.field(default=8, metadata=checks.whole(1, 1_000))
    """How many calls of one of its tools run at once, over all conversations."""
    # Some 8,000 tokens, for which a model has room several times.
    result_limit: int = attrs.field(default=32_000, metadata=checks.whole(100, 10_000_000))
    """Characters of a result that the model is shown; what is over is cut, and it is told."""
    # Who names a server in a file has agreed to it.
    approval: Approval = attrs.field(
        default="never", metadata=checks.one_of("approval", get_args(Approval))
    )
    """Whether a person is asked before each call of one of its tools."""

    def __attrs_post_init__(self) -> None:
        checks.refuse_faults(self, self._across)

    def _across(self) -> Iterator[str]:
        if bool(self.command) == bool(self.url):
            yield "command: an MCP server has either a command or a url"
            return
        if self.command:
            yield from _faults_of_command(self.command)
            yield from _faults_of_env(self.env)
            unused, other = ("token", "headers"), "url"
        else:
            yield from self._faults_of_headers()
            unused, other = ("env", "cwd"), "command"
        for key in unused:
            if getattr(self, key):
                yield f"{key}: only an MCP server with a {other} has this key"

    def _faults_of_headers(self) -> Iterator[str]:
        for name, value in self.headers.items():
            key = key_path("headers", name)
            if not _HEADER.fullmatch(name):
                yield f"{key}: is no name of a header"
            elif name.lower() == "authorization" and self.token is not None:
                yield f"{key}: token says this already; leave one of them out"
            if not isinstance(value, Secret) and not _is_header_value(value):
                yield f"{key}: must be printable ASCII on one line"


def _is_header_value(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _faults_of_command(command: tuple[str, ...]) -> Iterator[str]:
    if not command or not command[0]:
        yield "command: is empty; it is a list of the program and its arguments"
    for index, word in enumerate(command):
        if not isinstance(word, str) or "\0" in word:  # pyright: ignore[reportUnnecessaryIsInstance]
            yield f"command[{index}]: must be text, not {shown(word)}"


def _faults_of_env(env: Mapping[str, SecretOrText]) -> Iterator[str]:
    for name, value in env.items():
        if not _VARIABLE.fullmatch(name):
            yield f"{key_path('env', name)}: is no name of an environment variable"
        elif not isinstance(value, str | Secret):  # pyright: ignore[reportUnnecessaryIsInstance]
            yield f"{key_path('env', name)}: must be text or a Secret, not {shown(value)}"
        elif isinstance(value, str) and "\0" in value:
            yield f"{key_path('env', name)}: has a zero character, which no program can be given"


def _faults_of_schema(schema: Mapping[str, Any], *, strict: bool) -> Iterator[str]:
    # Not at the top: it costs 0.1 s of imports, and few configurations name programs.
    from ..tools.errors import ToolDefinitionError  # noqa: PLC0415
    from ..tools.schema import check_schema  # noqa: PLC0415

    try:
        check_schema("", schema, strict=strict)
    except ToolDefinitionError as error:
        yield f"{error.field}: {error.problem}"
