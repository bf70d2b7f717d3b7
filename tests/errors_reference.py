"""Writes docs/reference/errors.md out of the table of kinds and the trees of errors.

    .venv/bin/python -m tests.errors_reference

What a kind is, and what follows from it (retryable, scope, what to do), is read
from actors/errors.py, what a status means from wire/openai_errors.py, and the
trees from the docstrings of the modules that have them. Whether such a call is
billed is said here; so are the words between the tables.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from trouper.actors import errors as actors_errors
from trouper.actors.batch import errors as batch_errors
from trouper.actors.client import errors as client_errors
from trouper.actors.errors import ErrorKind, ProviderError
from trouper.actors.local import errors as local_errors
from trouper.actors.store import errors as store_errors
from trouper.actors.tools import errors as tools_errors
from trouper.actors.wire import openai_errors
from trouper.runtime import errors as runtime_errors
from trouper.runtime.portal import errors as portal_errors

from .public_names import public_names

__all__ = ["BILLED", "TARGET", "TREES", "main", "page", "tree_of"]

TARGET = Path(__file__).resolve().parents[1] / "docs" / "reference" / "errors.md"

_REFUSED = "no; maybe within a stream"
_NOT_SENT = "no, it was not sent"

BILLED: Mapping[ErrorKind, str] = {
    ErrorKind.INVALID_REQUEST: "no",
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: "no",
    ErrorKind.CONTENT_POLICY: "no; yes where it ended an answer",
    ErrorKind.REQUEST_TOO_LARGE: "no",
    ErrorKind.AUTH: "no",
    ErrorKind.PERMISSION: "no",
    ErrorKind.MODEL_NOT_FOUND: "no",
    ErrorKind.RATE_LIMITED: _REFUSED,
    ErrorKind.QUOTA_EXHAUSTED: _REFUSED,
    ErrorKind.OVERLOADED: _REFUSED,
    ErrorKind.SERVER_ERROR: _REFUSED,
    ErrorKind.TIMEOUT: "no before a connection stood or where it refused, else maybe",
    ErrorKind.CONFLICT: "no",
    ErrorKind.CONNECTION_FAILED: "no before a byte was sent, else maybe",
    ErrorKind.STREAM_TRUNCATED: "maybe",
    ErrorKind.PROTOCOL_ERROR: "maybe; no where it was an error status",
    ErrorKind.CIRCUIT_OPEN: _NOT_SENT,
    ErrorKind.LIMITER_TIMEOUT: _NOT_SENT,
    ErrorKind.BUDGET_EXCEEDED: _NOT_SENT,
    ErrorKind.PRICE_UNKNOWN: _NOT_SENT,
    ErrorKind.UNAVAILABLE: "no before it was sent, else maybe",
}

TREES: Mapping[str, ModuleType] = {
    "`trouper.runtime.errors`": runtime_errors,
    "`trouper.runtime.portal.errors`": portal_errors,
    "`trouper.actors.errors`": actors_errors,
    "`trouper.actors.store.errors`": store_errors,
    "`trouper.actors.tools.errors`": tools_errors,
    "`trouper.actors.batch.errors`": batch_errors,
    "`trouper.actors.local.errors`": local_errors,
    "`trouper.actors.client.errors`": client_errors,
}

_INTRODUCTION = """
# Errors
<!-- Written by `python -m tests.errors_reference`, out of actors/errors.py and the trees of errors. -->
Every error says what happened, to what, and what to do next. All of them are a `TrouperError`. One that is an `ActorError` fails the
request that met with it and nothing else; any other that leaves a handler is a crash of that actor, which its supervisor sees to.
What it comes from mostly, and where to look: [troubleshooting](../troubleshooting.md).

## What a provider's failure is
Whatever goes wrong between us and a model is a `ProviderError` (from `trouper.actors`) with a `kind`. There is one class for all of
them, because what a caller needs is what follows from the kind:

- `retryable`: whether the same request may succeed later. The provider's own word (`x-should-retry`) outranks the table.
- `scope`: how far the fault reaches, and so who is asked next. A fault of the *request* is met everywhere; one of the *key*, not with
  another key; one of the *deployment* (a model of a provider), not at another target; one of the *provider*, at none of its models.
- `hint`: what to do, in words; it ends the error's text, in brackets.
- `billed`: whether the provider will charge for it: no, maybe, yes.
"""

_AFTER_KINDS = """
Two are classes of their own. `StreamTruncated` is every `stream_truncated`. `StreamGarbled` is a `protocol_error` in the middle of an
answer whose beginning could be read: so it is the right server, it may go well the next time, and unlike others of its kind it is tried again.

Beside these a `ProviderError` has `message` (the provider's own word where it has one), `provider`, `model`, `key_id`, `status`, `code`,
`type` and `request_id` as they came, `retry_after` in seconds, `phase` (pool, connect, write, headers, stream), `in_stream`, `committed`
(content had been handed on, so nothing was repeated), `partial` (that content, with the tokens it has probably used) and `trail` (every
attempt of the request). It can be pickled, and holds no key, no prompt and no answer in what it prints.

```python
from trouper.actors import ErrorKind, ProviderError

error = ProviderError(
    kind=ErrorKind.RATE_LIMITED, message="slow down", provider="openai", status=429
)
assert error.retryable
assert error.scope == "key"
assert str(error) == (
    "openai: rate_limited (HTTP 429): slow down "
    "[the provider says that we are too fast; wait a little and try again]"
)
```

## How a kind is found
By the words for machines first (`code`, then `type`), which name causes that a status does not; then by the status; by the sentence for
people only where servers give nothing else, as most do for a prompt that is too long. Within a stream, where the status was 200, the words
decide alone, and an error that nobody can classify is a `server_error`.
"""

_AFTER_STATUSES = """
Any other status from 500 on is a `server_error`, any other from 400 on an `invalid_request`, a redirect a `protocol_error`. A 404 or 405
whose body is no JSON is a `protocol_error` too: there is no such page, rather than no such model.

## All errors
Each tree is in a module of its own; what most programs catch is in `trouper.runtime` and `trouper.actors`, too.
"""


def tree_of(module: ModuleType) -> str:
    """The tree in the docstring of a module of errors: its second paragraph."""
    paragraphs = (inspect.getdoc(module) or "").split("\n\n")
    return paragraphs[1]


def _kinds() -> Iterator[str]:
    yield "| kind | what happened | retryable | scope | what to do | billed |"
    yield "|---|---|---|---|---|---|"
    (kinds,) = (one for one in public_names() if one.name == "trouper.actors.errors.ErrorKind")
    meanings = {member.name: " ".join(member.text.split()) for member in kinds.members}
    for kind in ErrorKind:
        error = ProviderError(kind=kind, message="")
        retryable = "yes" if error.retryable else "no"
        told = (meanings[kind.name], retryable, error.scope, error.hint, BILLED[kind])
        cells = (f"`{kind.value}`", *told)
        yield f"| {' | '.join(cells)} |"


def _statuses() -> Iterator[str]:
    yield "| status | kind |"
    yield "|---|---|"
    for status, kind in openai_errors._BY_STATUS.items():
        yield f"| {status} | `{kind.value}` |"


def page() -> str:
    """The whole page."""
    lines = [_INTRODUCTION.strip(), "", *_kinds(), "", _AFTER_KINDS.strip(), "", *_statuses(), ""]
    lines += [_AFTER_STATUSES.strip(), ""]
    for name, module in TREES.items():
        lines += [f"### {name}", "```text", tree_of(module), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def main(write: Callable[[str], object] = TARGET.write_text) -> None:
    """Write the page."""
    write(page())
    sys.stdout.write(f"{TARGET} written\n")


if __name__ == "__main__":
    main()
