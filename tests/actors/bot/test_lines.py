"""An answer in lines that a chat network takes."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.bot.lines import LineBuffer, lines_of

TEXT = st.text(alphabet="ab  \n\r\0ä\U0001f600", max_size=60)


def test_lines_come_when_they_are_whole() -> None:
    buffer = LineBuffer()

    assert list(buffer.feed("one\ntw")) == ["one"]
    assert list(buffer.feed("o\n\n  three")) == ["two"]
    assert list(buffer.flush()) == ["  three"]
    assert list(buffer.flush()) == []


def test_a_long_line_is_cut_behind_a_word() -> None:
    assert list(lines_of("one two three", 8)) == ["one two", "three"]
    assert list(lines_of("one twothreefour", 8)) == ["one", "twothree", "four"]
    assert list(lines_of("one two\n\n\nthree", 8)) == ["one two", "three"]


def test_a_long_line_comes_before_it_is_whole() -> None:
    assert list(LineBuffer(8).feed("one two three")) == ["one two"]


def test_the_limit_is_in_bytes_and_no_letter_is_cut() -> None:
    assert list(lines_of("\U0001f600" * 3, 9)) == ["\U0001f600" * 2, "\U0001f600"]
    with pytest.raises(ValueError, match="4 bytes or more"):
        LineBuffer(3)


@given(TEXT, st.integers(4, 12))
def test_every_line_is_short_and_no_word_is_lost(text: str, longest: int) -> None:
    lines = list(lines_of(text, longest))

    assert all(0 < len(line.encode()) <= longest and line.splitlines() == [line] for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.replace("\0", "").split())


@given(st.lists(TEXT, max_size=8), st.integers(4, 12))
def test_the_lines_are_the_same_however_the_text_comes(pieces: list[str], longest: int) -> None:
    buffer = LineBuffer(longest)

    lines = [line for piece in pieces for line in buffer.feed(piece)]

    assert [*lines, *buffer.flush()] == list(lines_of("".join(pieces), longest))
