"""Recorded exchanges with Ollama's own /api/chat, read as a person read them.

The recordings lie beside the checkout on machines that have them. Texts are
told by their length and the beginning of their SHA-256, which were taken from
the recordings with nothing of ours.
"""

import hashlib
import json
import random
from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from tests.fakes.recordings import MODES, body_of, by_mode, in_sizes, needs_recordings, recorded
from trouper.actors.chat import Completion, Finish, ThinkingPart, ToolCallPart, Usage
from trouper.actors.errors import ErrorKind, ProviderError, StreamTruncated
from trouper.actors.wire.assembly import Assembly
from trouper.actors.wire.ollama import OllamaCodec

pytestmark = needs_recordings


@attrs.frozen
class Reading:
    """What a recording says; texts as length and digest, or as they are where short."""

    model: str
    usage: tuple[int, int]
    text: str | tuple[int, str]
    thinking: tuple[int, str] | None = None
    calls: tuple[tuple[str, str, Any], ...] = ()
    finish: Finish = Finish.STOP


READINGS = {
    "0a8fbad741ab": Reading(
        "qwen3.6:latest", (14, 721), (894, "b6d40b3765cd"), (2247, "89bc5f953a4d")
    ),
    "206da73d7378": Reading(
        "qwen3.6:latest",
        (310, 145),
        "",
        (348, "be683d093fe4"),
        (("call_2k7ryu9k", "add_two_numbers", {"a": 2, "b": 3}),),
        Finish.TOOL_CALLS,
    ),
    "3fa5d024361d": Reading(
        "qwen3.6:latest", (21, 369), (188, "e0b59441b376"), (1430, "25481f5956ee")
    ),
    "49b3212978af": Reading("llama3.1", (44, 113), (535, "dcc4da693be8")),
    "ab5ffcc324bf": Reading("gemma3:1b", (19, 104), (398, "85e52a31e661")),
    "fb5d9d0e5a6c": Reading("llama3", (17, 66), (256, "073dc0520e6b")),
    # These were streamed.
    "0a2fba2b9533": Reading("qwen3.6:latest", (21, 889), "1\n2\n3\n4\n5", (3064, "f6b701360acf")),
    "17cddbaa217f": Reading("qwen3.6:latest", (21, 889), "1\n2\n3\n4\n5", (3064, "f6b701360acf")),
    "75974a35ef30": Reading("llama3", (17, 63), (238, "081cbfc2b96e")),
}
UNKNOWN_MODEL = "307c2892d707"


EXCHANGES = recorded("ollama.chat")


def streamed(parts: Iterable[bytes]) -> Completion:
    decoder = OllamaCodec().stream()
    assembly = Assembly()
    for part in parts:
        assembly.extend(decoder.feed(part))
    assembly.extend(decoder.eof())
    assert decoder.done
    return assembly.completion()


def told(text: str, like: str | tuple[int, str] | None) -> str | tuple[int, str]:
    if isinstance(like, str):
        return text
    return len(text), hashlib.sha256(text.encode()).hexdigest()[:12]


def assert_reads_as(completion: Completion, expected: Reading) -> None:
    parts = completion.message.parts
    thinking = [part.text for part in parts if isinstance(part, ThinkingPart)]
    assert told(completion.text, expected.text) == expected.text
    assert [told(text, expected.thinking) for text in thinking] == (
        [expected.thinking] if expected.thinking else []
    )
    assert (
        tuple(
            (part.id, part.name, json.loads(part.args_json))
            for part in parts
            if isinstance(part, ToolCallPart)
        )
        == expected.calls
    )
    assert (completion.finish, completion.raw_finish) == (expected.finish, "stop")
    assert completion.usage == Usage(input=expected.usage[0], output=expected.usage[1])
    assert completion.model == expected.model


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", READINGS)
def test_a_recording_reads_as_a_person_read_it_however_it_is_cut(id: str, mode: str) -> None:
    assert_reads_as(streamed(by_mode(body_of(EXCHANGES[id]), mode)), READINGS[id])


@pytest.mark.parametrize("id", READINGS)
def test_a_recording_in_one_piece_reads_the_same(id: str) -> None:
    response = EXCHANGES[id]["response"]

    completion = OllamaCodec().parse(
        response["status"], response["headers"], body_of(EXCHANGES[id])
    )

    assert_reads_as(completion, READINGS[id])


@pytest.mark.parametrize("id", READINGS)
def test_a_recording_cut_short_is_a_truncation_and_never_a_short_answer(id: str) -> None:
    body = body_of(EXCHANGES[id])
    dice = random.Random(id)
    for place in dice.sample(range(len(body.rstrip())), k=20):
        with pytest.raises(StreamTruncated):
            streamed(in_sizes(body[:place], dice, 100))


def test_a_model_that_is_not_there_says_how_to_get_it() -> None:
    response = EXCHANGES[UNKNOWN_MODEL]["response"]

    with pytest.raises(ProviderError) as caught:
        OllamaCodec().parse(
            response["status"], response["headers"], body_of(EXCHANGES[UNKNOWN_MODEL])
        )

    assert (caught.value.kind, caught.value.status) == (ErrorKind.MODEL_NOT_FOUND, 404)
    assert "`ollama pull nonexistent-model:latest` fetches it" in caught.value.message


def test_every_recording_that_was_read_is_there() -> None:
    assert {*READINGS, UNKNOWN_MODEL} <= set(EXCHANGES)
