"""What httpx and the runtime raise, as the provider error that it means."""

import httpx

from ...runtime import ActorError, ActorUnavailable, AskTimeout, MailboxFull
from ..errors import Billed, ErrorKind, Phase, ProviderError
from ..redaction import redact_text

__all__ = ["from_httpx", "from_runtime"]


def from_httpx(
    error: httpx.TransportError | httpx.DecodingError, *, in_stream: bool
) -> ProviderError:
    """A failure of the connection.

    Only what failed before anything was sent is surely not billed: after that
    the provider may be generating for nobody.
    """
    text = str(error) or type(error).__name__
    phase: Phase = "stream" if in_stream else "headers"
    match error:
        case httpx.ConnectTimeout():
            return ProviderError(kind=ErrorKind.TIMEOUT, message=text, phase="connect")
        case httpx.PoolTimeout():
            return ProviderError(kind=ErrorKind.TIMEOUT, message=text, phase="pool")
        case httpx.TimeoutException():
            return ProviderError(
                kind=ErrorKind.TIMEOUT,
                message=text,
                phase=phase,
                billed="maybe",
                in_stream=in_stream,
            )
        case httpx.ConnectError() | httpx.ProxyError():
            return ProviderError(kind=ErrorKind.CONNECTION_FAILED, message=text, phase="connect")
        case httpx.UnsupportedProtocol() | httpx.LocalProtocolError():
            return ProviderError(kind=ErrorKind.INVALID_REQUEST, message=text, phase="write")
        case httpx.WriteError():
            return ProviderError(
                kind=ErrorKind.CONNECTION_FAILED, message=text, phase="write", billed="maybe"
            )
        case httpx.DecodingError():
            return ProviderError(
                kind=ErrorKind.PROTOCOL_ERROR,
                message=text,
                phase=phase,
                billed="maybe",
                in_stream=in_stream,
            )
        case _:
            return ProviderError(
                kind=ErrorKind.STREAM_TRUNCATED if in_stream else ErrorKind.CONNECTION_FAILED,
                message=text,
                phase=phase,
                billed="maybe",
                in_stream=in_stream,
            )


def from_runtime(error: ActorError, *, asked: bool) -> ProviderError:
    """A failure of an actor of ours, which is back in a moment: no word of the provider.

    `asked` says whether it is the connection, which may have sent the request,
    or something before it: a gate, the store, the cache.
    """
    billed: Billed = "maybe" if asked else "no"
    match error:
        case MailboxFull():
            kind, billed = ErrorKind.OVERLOADED, "no"
        case ActorUnavailable():
            kind, billed = ErrorKind.UNAVAILABLE, "no"
        case AskTimeout() if asked:
            kind = ErrorKind.TIMEOUT
        case _:
            kind = ErrorKind.UNAVAILABLE
    # A crash may quote what was in hand.
    return ProviderError(kind=kind, message=redact_text(str(error)), billed=billed)
