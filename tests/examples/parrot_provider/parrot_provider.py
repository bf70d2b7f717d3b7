"""The kind `parrot`: a provider with a wire of its own, as a package brings one.

POST /v1/say  {"bird": "ara", "line": "hello", "stream": true, "accent": "pirate"}
x-perch: the key

200  one JSON object a line: {"word": "hello"} ... {"end": "done", "heard": 1, "said": 2}
4xx  {"error": {"message": "...", "code": "..."}}
"""

from collections.abc import Mapping

import attrs
import orjson

from trouper.actors import ChatRequest, Completion, ErrorKind, ProviderError, TextDelta
from trouper.actors.chat import Chunk, Finish, Finished, Started, Usage, UsageUpdate
from trouper.actors.errors import StreamTruncated
from trouper.actors.wire import (
    Assembly,
    Codec,
    HttpRequest,
    NdjsonDecoder,
    ProviderKind,
    ProviderSettings,
    error_in_answer,
)

__all__ = ["KIND", "ParrotOptions"]

# Why the parrot fell silent, in our words; what is new to us stays readable as raw_finish.
_FINISH = {"done": Finish.STOP, "out of breath": Finish.LENGTH}


@attrs.frozen(kw_only=True)
class ParrotOptions:
    """The keys of a provider's table `options`."""

    accent: str = attrs.field(default="", validator=attrs.validators.max_len(20))


class _Decoder:
    """The lines of one answer. An error waits until what came before it was handed on."""

    def __init__(self) -> None:
        self._lines = NdjsonDecoder()
        self._begun = False
        self._whole = False
        self._error: ProviderError | None = None

    @property
    def done(self) -> bool:
        return self._whole or self._error is not None

    def feed(self, data: bytes) -> list[Chunk]:
        if self._error is not None:
            raise self._error
        chunks: list[Chunk] = []
        try:
            for line in self._lines.feed(data):
                if not self._whole:
                    self._take(line, chunks)
        except ProviderError as error:
            self._error = error
        return chunks

    def eof(self) -> list[Chunk]:
        if self._error is not None:
            raise self._error
        if not self._whole:
            raise StreamTruncated
        return []

    def _take(self, line: bytes, chunks: list[Chunk]) -> None:
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError as fault:
            raise ProviderError(
                kind=ErrorKind.PROTOCOL_ERROR,
                message=f"a line of the parrot is no JSON: {fault.msg}",
                in_stream=True,
                phase="stream",
                billed="maybe",
            ) from fault
        if not self._begun:
            self._begun = True
            chunks.append(Started("", ""))
        if "word" in said:
            chunks.append(TextDelta(0, said["word"]))
        elif "end" in said:
            self._whole = True
            chunks.append(UsageUpdate(Usage(input=said["heard"], output=said["said"])))
            chunks.append(Finished(_FINISH.get(said["end"], Finish.UNKNOWN), said["end"]))


@attrs.frozen
class _Codec:
    accent: str

    def encode(self, request: ChatRequest, *, stream: bool) -> HttpRequest:
        if request.tools:
            raise ProviderError(
                kind=ErrorKind.INVALID_REQUEST, message="a parrot uses no tools; leave them out"
            )
        body = {
            "bird": request.model,
            "line": request.messages[-1].text,
            "stream": stream,
            "accent": self.accent,
        }
        return HttpRequest(
            method="POST",
            path="/v1/say",
            headers=(("content-type", "application/json"),),
            body=orjson.dumps(body),
        )

    def stream(self) -> _Decoder:
        return _Decoder()

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Completion:
        if status != 200:
            # Reads the shapes in which most servers refuse, and retry-after.
            raise error_in_answer(status, headers, body)
        decoder, answer = _Decoder(), Assembly()
        answer.extend(decoder.feed(body))
        answer.extend(decoder.eof())
        return answer.completion()


def _codec(settings: ProviderSettings[ParrotOptions]) -> Codec:
    return _Codec(settings.options.accent)


def _authorization(settings: ProviderSettings[ParrotOptions], key: str) -> list[tuple[str, str]]:
    return [("x-perch", key)]


KIND = ProviderKind(
    name="parrot",
    codec=_codec,
    options=ParrotOptions,
    authorization=_authorization,
    example_url="https://parrot.example",
)
