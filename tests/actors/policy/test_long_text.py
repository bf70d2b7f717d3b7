"""A long text in parts: nothing is lost, and each part ends where a person would turn the page."""

import pytest
from hypothesis import given, strategies as st

from trouper.actors.policy.long_text import cut_text, groups, joining, reading, request_in


@given(st.text(alphabet="ab .\n!", max_size=300), st.integers(1, 50))
def test_all_of_the_text_is_in_the_parts_and_none_is_too_long(text: str, most: int) -> None:
    parts = cut_text(text, most)

    assert "".join(parts) == text
    assert all(1 <= len(part) <= most for part in parts)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("one two.\n\nthree four. five six", "one two.\n\n"),
        ("one two\nthree four. five six", "one two\n"),
        ("one two. Three four five six", "one two. "),
        ("one two three four five six", "one two three "),
        ("o" * 30, "o" * 15),
        ("one\n\ntwo three four five six", "one\n\ntwo three "),
    ],
)
def test_a_part_ends_with_a_paragraph_a_line_a_sentence_or_a_word(text: str, first: str) -> None:
    assert cut_text(text, 15)[0] == first


def test_a_text_that_fits_is_one_part_and_none_is_none() -> None:
    assert cut_text("one", 3) == ("one",)
    assert cut_text("", 3) == ()
    with pytest.raises(ValueError, match="1 character or more, not 0"):
        cut_text("one", 0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Summarize this\nA long\ntext", ("Summarize this", "A long\ntext")),
        ("Summarize this: A long text. It: is", ("Summarize this:", "A long text. It: is")),
        ("A text. It says: nothing", ("Tell what is in this text.", "A text. It says: nothing")),
        ("Only a line\n", ("Tell what is in this text.", "Only a line")),
        ("\nA text", ("Tell what is in this text.", "A text")),
        ("x" * 500 + ": y", ("Tell what is in this text.", "x" * 500 + ": y")),
    ],
)
def test_what_is_asked_of_a_text_stands_at_its_beginning(text: str, found: tuple[str, str]) -> None:
    assert request_in(text) == found


def test_each_part_is_read_with_what_is_asked_of_the_whole_and_the_answers_become_one() -> None:
    one, two = reading("Shorten {this}:", ["first ", "second {x}"])

    assert one.startswith("Shorten {this}:\n")
    assert "part 1 of 2" in one
    assert one.endswith("\n\nfirst")
    assert two.endswith("\n\nsecond {x}")
    last = joining("Shorten {this}:", ["a ", "b {y}"])
    assert last.startswith("Shorten {this}:\n")
    assert last.endswith("[Part 1]\na\n\n[Part 2]\nb {y}")
    assert "2 parts" in last


@given(st.integers(2, 40), st.floats(0.0, 0.99))
def test_answers_that_do_not_fit_become_fewer_or_stay_as_they_are(many: int, share: float) -> None:
    answers = [str(number) for number in range(many)]

    together = groups(answers, share)

    assert [answer for group in together for answer in group] == answers
    assert len(together) == many or 1 < len(together) <= (many + 1) // 2


def test_as_many_become_one_as_fit_with_room_to_spare() -> None:
    assert groups(["a", "b", "c", "d", "e", "f"], 0.5) == (("a", "b"), ("c", "d"), ("e", "f"))
    assert groups(["a", "b"], 0.9) == (("a",), ("b",))
