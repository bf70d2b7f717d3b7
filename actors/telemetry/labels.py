"""What stands in labels and attributes: closed vocabularies for errors, known names for providers."""

from urllib.parse import urlsplit

from ...runtime import ActorError
from ..errors import ErrorKind, ProviderError
from .observer import AttemptEnded, RequestEnded

__all__ = ["MOST_KINDS", "OTHER", "FirstOnes", "error_type", "outcome", "provider_name"]

OTHER = "other"
"""Stands for every name that is not configured."""

MOST_KINDS = 100
"""Classes of actors with series of their own. A program has some dozens, and a plug-in that
makes classes as it goes must not make series as it goes."""

# Who has to do something about it: who asked, a rule of ours or of the provider,
# or the provider. What is named nowhere is a fault of our own.
_BLAME = {
    ErrorKind.INVALID_REQUEST: "caller",
    ErrorKind.CONTEXT_WINDOW_EXCEEDED: "caller",
    ErrorKind.REQUEST_TOO_LARGE: "caller",
    ErrorKind.AUTH: "caller",
    ErrorKind.PERMISSION: "caller",
    ErrorKind.MODEL_NOT_FOUND: "caller",
    ErrorKind.CONTENT_POLICY: "policy",
    ErrorKind.CIRCUIT_OPEN: "policy",
    ErrorKind.LIMITER_TIMEOUT: "policy",
    ErrorKind.BUDGET_EXCEEDED: "policy",
    ErrorKind.PRICE_UNKNOWN: "policy",
    ErrorKind.RATE_LIMITED: "provider",
    ErrorKind.QUOTA_EXHAUSTED: "provider",
    ErrorKind.OVERLOADED: "provider",
    ErrorKind.SERVER_ERROR: "provider",
    ErrorKind.TIMEOUT: "provider",
    ErrorKind.CONFLICT: "provider",
    ErrorKind.CONNECTION_FAILED: "provider",
    ErrorKind.STREAM_TRUNCATED: "provider",
    ErrorKind.PROTOCOL_ERROR: "provider",
    ErrorKind.UNAVAILABLE: "internal",
}

_HOSTS = {
    "api.anthropic.com": "anthropic",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.perplexity.ai": "perplexity",
    "api.x.ai": "x_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
}


class FirstOnes:
    """Lets through the first `most` different names, and calls all later ones "other"."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()

    def __call__(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= self._most:
                return OTHER
            self._names.add(name)
        return name


def error_type(error: BaseException | None) -> str:
    """The class of an error: who has to act, and the kind. Some thirty values, never its words.

    `caller_invalid_request`, `policy_circuit_open`, `provider_overloaded`; what
    the runtime raises is `internal_unavailable`, and any other exception
    `internal_fault`.
    """
    if isinstance(error, ProviderError):
        return f"{_BLAME.get(error.kind, 'internal')}_{error.kind.value}"
    return "internal_unavailable" if isinstance(error, ActorError) else "internal_fault"


def outcome(ended: AttemptEnded | RequestEnded) -> str:
    """How it ended: ok, cached, cancelled, or the class of the error."""
    return error_type(ended.error) if ended.result == "failed" else ended.result


def provider_name(kind: str, base_url: str) -> str:
    """`gen_ai.provider.name` as OpenTelemetry lists them; else the wire that is spoken."""
    host = urlsplit(base_url).hostname or ""
    if host.endswith(".openai.azure.com"):
        return "azure.ai.openai"
    return _HOSTS.get(host) or kind.removesuffix("-responses")
