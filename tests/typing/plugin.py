"""What the author of a plug-in writes. Checked by mypy --strict and pyright strict, and never run."""

from collections.abc import Mapping
from typing import assert_type

import attrs

from trouper.actors.chat import ChatRequest, Chunk, Completion
from trouper.actors.wire import (
    Assembly,
    Codec,
    Decoder,
    HttpRequest,
    NoOptions,
    OpenAICodec,
    ProviderKind,
    ProviderSettings,
    bearer,
    error_in_answer,
)


@attrs.frozen(kw_only=True)
class Options:
    tenant: str = "main"


class OwnDecoder:
    @property
    def done(self) -> bool:
        return True

    def feed(self, data: bytes) -> list[Chunk]:
        return []

    def eof(self) -> list[Chunk]:
        return []


class OwnCodec:
    def encode(self, request: ChatRequest, *, stream: bool) -> HttpRequest:
        return HttpRequest("POST", "/say", (("accept", "application/json"),), b"")

    def stream(self) -> OwnDecoder:
        return OwnDecoder()

    def parse(self, status: int, headers: Mapping[str, str], body: bytes) -> Completion:
        if status != 200:
            raise error_in_answer(status, headers, body)
        answer = Assembly()
        answer.extend(self.stream().eof())
        return answer.completion()


def own_codec(settings: ProviderSettings[Options]) -> Codec:
    assert_type(settings.options, Options)
    assert_type(settings.options.tenant, str)
    return OwnCodec()


def own_header(settings: ProviderSettings[Options], key: str) -> list[tuple[str, str]]:
    return [*bearer(settings, key), ("x-tenant", settings.options.tenant)]


def plain_codec(settings: ProviderSettings[NoOptions]) -> OpenAICodec:
    return OpenAICodec()


def any_codec(settings: ProviderSettings[object]) -> Codec:
    return OpenAICodec(max_tokens_field="max_completion_tokens")


OWN = ProviderKind(name="own", codec=own_codec, options=Options, authorization=own_header)
PLAIN = ProviderKind(name="plain", codec=plain_codec, options=NoOptions, example_url="https://a.b")
SHARED = ProviderKind[Options](name="shared", codec=any_codec, options=Options)

assert_type(OWN.read_options({"tenant": "blue"}), Options)
decoder: Decoder = OWN.codec(ProviderSettings(name="p", base_url="", options=Options())).stream()
