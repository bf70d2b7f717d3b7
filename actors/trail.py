"""What became of each attempt of a request: the trail that results and errors carry."""

import attrs

__all__ = ["AttemptRecord"]


@attrs.frozen(kw_only=True)
class AttemptRecord:
    """One attempt that has ended.

    `target` is "provider/model"; `key_id` names the key without telling it.
    `kind` is "ok", "cancelled", or the kind of the error (`ErrorKind.value`).
    `input_tokens`, `output_tokens` and `cost`, in nano-dollars, are None where nobody
    knows them; `estimated` says that the tokens are our own count. `ms` is the time
    of all, in milliseconds, and `waited` the seconds of it that the limiter made it wait.
    """

    target: str
    kind: str
    ms: int
    key_id: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    estimated: bool = False
    cost: int | None = None
    waited: float = 0.0
