"""Which MCP server, how it is reached, and what its tools are called and may take."""

import hashlib
import re
from collections.abc import Mapping

import attrs

from .definition import ToolPolicy
from .errors import ToolDefinitionError

__all__ = ["McpSettings"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,32}")
_REFUSED = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 64
_DIGEST = 8


def _no_text(settings: object, field: "attrs.Attribute[tuple[str, ...]]", value: object) -> None:
    if isinstance(value, str):
        raise ToolDefinitionError(
            getattr(settings, "name", "?"), field.name, "it is a list: the program, its arguments"
        )


@attrs.frozen(kw_only=True)
class McpSettings:
    """An MCP server: a program that speaks on stdin and stdout (`command`), or a `url`.

    `name`, 1 to 32 letters, digits, hyphens and underscores, is what we call it; `cwd`
    is the folder that the program runs in, None being ours.
    Its tools are called `prefix` and their own name; the prefix is `name__` where
    nothing else is said, so that two servers may have a tool of one name. What no
    provider takes in a name becomes an underscore. `env` is added to the few
    variables that a program needs to run at all; `headers` go with each request
    to `url`. `start_timeout` is in seconds, and long because `npx` and `uvx`
    fetch what they run. The `policy` is that of each tool by itself; 60 s is what
    the protocol's own SDK for TypeScript gives a request.
    Raises ToolDefinitionError.
    """

    name: str
    command: tuple[str, ...] = attrs.field(default=(), validator=_no_text)
    env: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    prefix: str | None = None
    start_timeout: float = 60.0
    policy: ToolPolicy = ToolPolicy(timeout=60.0)

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ToolDefinitionError(
                self.name, "name", "a server's is 1 to 32 letters, digits, - or _"
            )
        if bool(self.command) == bool(self.url):
            raise ToolDefinitionError(
                self.name, "command", "an MCP server has either a command or a url"
            )

    def tool_name(self, own: str) -> str:
        """What a model calls the server's tool `own`."""
        prefix = f"{self.name}__" if self.prefix is None else self.prefix
        name = _REFUSED.sub("_", prefix + own)
        if len(name) <= _LONGEST_NAME:
            return name
        # Two long names may differ at their ends only.
        digest = hashlib.sha256(own.encode()).hexdigest()[:_DIGEST]
        return f"{name[: _LONGEST_NAME - _DIGEST - 1]}_{digest}"
