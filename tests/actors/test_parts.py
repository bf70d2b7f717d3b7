"""What can be said of a part by itself."""

import pytest

from trouper.actors.chat import AudioPart, IncompleteToolCall, ToolCallPart


@pytest.mark.parametrize("arguments", ["{}", ' {"x": [1]} ', "", "  "])
def test_a_call_whose_arguments_are_an_object_or_nothing_has_no_fault(arguments: str) -> None:
    assert ToolCallPart("a", "f", arguments).fault is None


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ('{"x": ', "the arguments of f are not valid JSON (unexpected end of data"),
        ("{'x': 1}", "the arguments of f are not valid JSON ("),
        ("[1]", "the arguments of f are no JSON object"),
        ("\ud83d", "the arguments of f are not valid JSON ("),
        ("[" * 5000, "the arguments of f are not valid JSON ("),
    ],
)
def test_a_call_with_other_arguments_says_in_words_for_the_model_what_is_wrong(
    arguments: str, why: str
) -> None:
    """Bad arguments JSON was found one turn later, by the provider, as a 500
    (litellm#33678): it can be asked of the call, whose text is kept as it came."""
    call = ToolCallPart("a", "f", arguments)

    assert call.fault is not None
    assert call.fault.startswith(why)
    assert call.args_json == arguments


def test_a_call_that_was_cut_off_is_never_to_be_run() -> None:
    call = IncompleteToolCall("a", "f", "")

    assert isinstance(call, ToolCallPart)
    assert call.fault is not None
    assert "cut off" in call.fault
    assert call != ToolCallPart("a", "f", "")


def test_audio_does_not_fill_a_log() -> None:
    assert "AAAA" not in repr(AudioPart("AAAA" * 1000, "wav"))
