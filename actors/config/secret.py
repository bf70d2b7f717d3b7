"""A secret, and where it comes from.

In a configuration file a secret is a reference, `env:NAME` or `file:PATH`; the
value itself never stands there, so that the file can be shown and committed.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from ..errors import ConfigError
from ..redaction import MASK, live_secrets
from .checks import items

__all__ = ["Secret", "SecretOrText", "resolve_secret", "resolve_text", "secrets_of"]

# Servers take 8 to 16 KiB of headers all together, and a secret goes into one of them.
_LONGEST = 4_096
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Secret:
    """A value that only the one it is for may see. `reveal` is the only way to it.

    It prints as its source, compares in constant time, refuses to be pickled, is
    its own copy, and is masked in logs as long as the process lives. `source` says where it
    came from (`env:OPENAI_API_KEY`), for people; it is not secret.

    Raises ValueError for what no HTTP header can carry: an empty value,
    whitespace, control characters, anything beyond ASCII, over 4,096 characters.
    """

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str = "") -> None:
        fault = _fault(value)
        if fault is not None:
            raise ValueError(fault)
        self._value = value
        self.source = source
        live_secrets.add(value)

    def reveal(self) -> str:
        """The value itself, for the wire and for nothing else."""
        return self._value

    def matches(self, candidate: str) -> bool:
        """Whether `candidate` is the value, in a time that does not tell how much of it is."""
        return hmac.compare_digest(self._value.encode(), candidate.encode("utf-8", "surrogatepass"))

    def __repr__(self) -> str:
        return f"Secret({self.source or MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return self.matches(other._value) if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Secret is not pickled: it would be written out in clear. A process that needs it "
            "is given the path of the configuration; load the configuration where it is used"
        )

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self


def _fault(value: str) -> str | None:
    if not value:
        return "is empty"
    if len(value) > _LONGEST:
        return f"is longer than {_LONGEST:,} characters"
    if not all("!" <= character <= "~" for character in value):
        return (
            "has a space, a line break or a character beyond ASCII in it, "
            "which no HTTP header can carry"
        )
    return None


def secrets_of(owner: str, key: str, values: Iterable[str | Secret]) -> tuple[Secret, ...]:
    """The `values` of field `key` of class `owner`, as Secrets. Raises ConfigError."""
    secrets: list[Secret] = []
    for index, value in enumerate(items(owner, key, values)):
        try:
            secrets.append(value if isinstance(value, Secret) else Secret(value))
        except ValueError as error:
            # Without its context: a traceback with locals would show the value.
            raise ConfigError(owner, [f"{key}[{index}]: {error}"]) from None
    return tuple(secrets)


def resolve_secret(reference: object, *, environ: Mapping[str, str], folder: Path) -> Secret:
    """The secret that `reference` names: `env:NAME`, or `file:PATH` seen from `folder`.

    Whitespace around the value is dropped: a file ends with a line break, and
    so do values pasted into a service's settings.
    Raises ValueError with a sentence that names the reference, never the value.
    """
    kind, _, name = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    if kind == "env" and _VARIABLE.fullmatch(name):
        value = environ.get(name)
        if value is None:
            raise ValueError(f"the environment variable {name} is not set")
        what = f"the environment variable {name}"
    elif kind == "file" and name:
        value = _read(folder / Path(name).expanduser())
        what = f"the file {name}"
    else:
        # What stands here may be the secret itself, so it is not quoted.
        raise ValueError(
            "a secret is not written into this file; put it into an environment variable or "
            'a file of its own, and write "env:NAME" or "file:PATH" here'
        )
    fault = _fault(value.strip())
    if fault is not None:
        raise ValueError(f"{what} {fault}")
    return Secret(value.strip(), source=f"{kind}:{name}")


SecretOrText = Secret | str
"""What a program or a server is told: a secret, or text that anybody may see."""


def resolve_text(reference: object, *, environ: Mapping[str, str], folder: Path) -> Secret | str:
    """As `resolve_secret`; and `text:VALUE` is the value itself, for what is no secret.

    Raises ValueError.
    """
    kind, _, value = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    if kind == "text":
        return value
    if kind not in ("env", "file"):
        # What stands here may be a secret itself, so it is not quoted.
        raise ValueError(
            'must be "env:NAME" or "file:PATH" for a secret, which is not written into this file, '
            'or "text:VALUE" for what is none'
        )
    return resolve_secret(reference, environ=environ, folder=folder)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(4 * _LONGEST).decode()
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # Without its cause: that one quotes the bytes.
        raise ValueError(f"the file {path} is not UTF-8 text") from None
