"""What an OpenAI-compatible server means when it refuses.

Classified by the words that it uses for machines first (`code`, then `type`),
by the status next, by the sentence for people only where compatible servers
give nothing else. The words are those of OpenAI's API reference and of the
servers named beside them.
"""

import re
from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from ..errors import ErrorKind, ProviderError
from ..json_reading import read_json
from .http import excerpt, request_id, retry_after, should_retry
from .rate_limits import go_duration

__all__ = ["ErrorBody", "error_in_answer", "error_in_stream", "not_the_wire"]

# 429 and 402 with these never succeed by waiting: the account has no money left.
_QUOTA = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)

# What a picture can be refused for; only the Responses wire has words for it.
_IMAGES = (
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "invalid_image_mode",
    "image_file_too_large",
    "unsupported_image_media_type",
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
)

_BY_WORD: dict[str, ErrorKind] = {
    **dict.fromkeys(_IMAGES, ErrorKind.INVALID_REQUEST),
    **dict.fromkeys(_QUOTA, ErrorKind.QUOTA_EXHAUSTED),
    "context_length_exceeded": ErrorKind.CONTEXT_WINDOW_EXCEEDED,
    "exceed_context_size_error": ErrorKind.CONTEXT_WINDOW_EXCEEDED,  # llama.cpp
    "too_many_prompt_tokens": ErrorKind.CONTEXT_WINDOW_EXCEEDED,  # Perplexity
    "content_policy_violation": ErrorKind.CONTENT_POLICY,
    "content_filter": ErrorKind.CONTENT_POLICY,
    "invalid_prompt": ErrorKind.CONTENT_POLICY,
    "bio_policy": ErrorKind.CONTENT_POLICY,
    "misalignment_policy_violation": ErrorKind.CONTENT_POLICY,
    "image_content_policy_violation": ErrorKind.CONTENT_POLICY,
    "request_too_large": ErrorKind.REQUEST_TOO_LARGE,
    "invalid_api_key": ErrorKind.AUTH,
    "authentication_error": ErrorKind.AUTH,
    "unsupported_country_region_territory": ErrorKind.PERMISSION,
    "permission_error": ErrorKind.PERMISSION,
    "permission_denied": ErrorKind.PERMISSION,
    "data_residency_mismatch": ErrorKind.PERMISSION,
    "model_not_found": ErrorKind.MODEL_NOT_FOUND,
    "deploymentnotfound": ErrorKind.MODEL_NOT_FOUND,  # Azure
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "ratelimitreached": ErrorKind.RATE_LIMITED,  # Azure
    "slow_down": ErrorKind.RATE_LIMITED,
    "server_is_overloaded": ErrorKind.OVERLOADED,
    "service_unavailable": ErrorKind.OVERLOADED,
    "overloaded_error": ErrorKind.OVERLOADED,
    "vector_store_timeout": ErrorKind.TIMEOUT,
}

_BY_STATUS: dict[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA_EXHAUSTED,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.MODEL_NOT_FOUND,
    405: ErrorKind.PROTOCOL_ERROR,
    408: ErrorKind.TIMEOUT,
    409: ErrorKind.CONFLICT,
    413: ErrorKind.REQUEST_TOO_LARGE,
    429: ErrorKind.RATE_LIMITED,
    503: ErrorKind.OVERLOADED,
    529: ErrorKind.OVERLOADED,
}

# Words that say less than a status does; they count where there is no status.
_BY_VAGUE_WORD: dict[str, ErrorKind] = {
    "invalid_request_error": ErrorKind.INVALID_REQUEST,
    "not_found_error": ErrorKind.MODEL_NOT_FOUND,
    "timeout": ErrorKind.TIMEOUT,
}

# vLLM, OpenRouter, Groq and DeepSeek say it in a sentence only.
_WINDOW_IN_WORDS = re.compile(
    r"maximum context length|context window|context length|prompt is too long"
    r"|too many (input |prompt )?tokens|total length of all messages is too long",
    re.IGNORECASE,
)
_WINDOW_STATUSES = (None, 400, 413, 422)

# How OpenAI says it within a stream, where no header can: "Please try again in 1.5s."
_WAIT_IN_WORDS = re.compile(r"try again in (\d[\d.]*[a-z]+(?:\d[\d.]*[a-z]+)*)", re.IGNORECASE)

_LONGEST_MESSAGE = 1000  # characters; some servers quote the whole request
_DEEPEST = 6  # levels of a body in which a sentence is looked for
_MOST_LISTED = 3  # of the faults that a validator lists

_SENTENCES = ("message", "detail", "msg", "error_description", "error", "errors")


@attrs.frozen
class ErrorBody:
    """What a body says about an error, from any of the shapes in use."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    status: int | None = None

    @classmethod
    def read(cls, body: Any) -> "ErrorBody":
        """Read a JSON value: `{"error": {...}}`, `{"error": "..."}`, `{"detail": ...}`,
        a bare `{"message": ...}`, a list of any of these, a plain string."""
        inner = body
        while isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, Mapping) and isinstance(inner.get("error"), Mapping):
            inner = inner["error"]
        if not isinstance(inner, Mapping):
            return cls(message=_sentence(body))
        code = _word(inner.get("code"))
        message = _sentence(body)
        metadata = inner.get("metadata")
        if isinstance(metadata, Mapping) and metadata.get("raw"):
            # OpenRouter says "Provider returned error", and here what it was.
            message = _sentence(f"{message}: {_sentence(metadata['raw'])}")
        return cls(
            message=message,
            code=code,
            type=_word(inner.get("type")),
            status=_status(inner.get("status_code")) or _status(code),
        )

    def kind(self, status: int | None) -> ErrorKind:
        """How this failed. `status` is the answer's, or None where that is no error."""
        words = [word.lower() for word in (self.code, self.type) if word]
        for word in words:
            if word in _BY_WORD:
                return _BY_WORD[word]
        status = self.status if status is None else status
        if status in _WINDOW_STATUSES and _WINDOW_IN_WORDS.search(self.message):
            return ErrorKind.CONTEXT_WINDOW_EXCEEDED
        if status is None:
            known = (_BY_VAGUE_WORD[word] for word in words if word in _BY_VAGUE_WORD)
            return next(known, ErrorKind.SERVER_ERROR)
        if status in _BY_STATUS:
            return _BY_STATUS[status]
        return ErrorKind.SERVER_ERROR if status >= 500 else ErrorKind.INVALID_REQUEST


def _word(value: Any) -> str | None:
    return None if value is None or isinstance(value, (Mapping, list)) else str(value)


def _status(value: Any) -> int | None:
    """An HTTP error status that a body names as a number or as digits."""
    text = str(value)
    return int(text) if re.fullmatch(r"[45]\d\d", text) else None


def _sentence(value: Any, depth: int = 0) -> str:
    """The first sentence for people within a body."""
    if isinstance(value, str):
        text = " ".join(value[: 2 * _LONGEST_MESSAGE].split())
        return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
    if depth == _DEEPEST:
        return ""
    if isinstance(value, list):
        faults = (_sentence(item, depth + 1) for item in value[:_MOST_LISTED])
        return "; ".join(fault for fault in faults if fault)
    if isinstance(value, Mapping):
        # `error` before `message`: where both are, the outer one is a summary.
        keys = ("error", *_SENTENCES) if isinstance(value.get("error"), Mapping) else _SENTENCES
        found = (_sentence(value.get(key), depth + 1) for key in keys)
        return next((text for text in found if text), "")
    return ""


def error_in_answer(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error that an answer is: an error status, or a 200 whose body is an error."""
    refused = status >= 400
    try:
        told = ErrorBody.read(read_json(body))
        kind = told.kind(status if refused else None)
        spoken = told.message
    except orjson.JSONDecodeError:
        told = ErrorBody()
        kind = told.kind(status)
        spoken = excerpt(body)
        if status in (404, 405):  # no page there at all, rather than no such model
            kind = ErrorKind.PROTOCOL_ERROR
    if 300 <= status < 400:
        kind = ErrorKind.PROTOCOL_ERROR
        spoken = (
            f"a redirect to {dict(headers).get('location', 'nowhere')!r}; name that as base_url"
        )
    return ProviderError(
        kind=kind,
        message=spoken or f"the provider answered {status} and said nothing",
        status=status,
        code=told.code,
        type=told.type,
        request_id=request_id(headers),
        retry_after=retry_after(headers) if refused else None,
        should_retry=should_retry(headers) if refused else None,
        phase="headers",
    )


def error_in_stream(frame: Any) -> ProviderError:
    """The error that a frame of a stream is. The status of the answer was 200."""
    told = ErrorBody.read(frame)
    kind = told.kind(None)
    wait = _WAIT_IN_WORDS.search(told.message) if kind is ErrorKind.RATE_LIMITED else None
    return ProviderError(
        kind=kind,
        message=told.message or "the provider broke the stream off and did not say why",
        status=told.status,
        code=told.code,
        type=told.type,
        retry_after=None if wait is None else go_duration(wait[1]),
        in_stream=True,
        phase="stream",
        billed="maybe",
    )


def not_the_wire(
    what: str, body: bytes, headers: Mapping[str, str], *, in_stream: bool
) -> ProviderError:
    """The error for a 200 whose body is no answer; `what` names what came instead."""
    began = excerpt(body)
    return ProviderError(
        kind=ErrorKind.PROTOCOL_ERROR,
        message=f"the provider answered with {what}" + (f": {began!r}" if began else ""),
        in_stream=in_stream,
        phase="stream",
        billed="maybe",
        status=200,
        request_id=request_id(headers),
    )
