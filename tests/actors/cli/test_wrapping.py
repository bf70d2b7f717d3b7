"""Lines break between words, however the words come."""

from hypothesis import given, strategies as st

from trouper.actors.cli.wrapping import Wrapping

pieces = st.lists(st.text("ab \n\t界é-", max_size=12), max_size=30)


def wrapped(pieces: list[str], columns: int, used: int = 0) -> str:
    wrapping = Wrapping(columns, used)
    return "".join([*map(wrapping.feed, pieces), wrapping.flush()])


@given(pieces, st.integers(8, 40))
def test_all_words_come_in_their_order(pieces: list[str], columns: int) -> None:
    assert wrapped(pieces, columns).split() == "".join(pieces).split()


@given(pieces, st.integers(8, 40))
def test_the_same_comes_out_wherever_the_text_is_cut(pieces: list[str], columns: int) -> None:
    assert wrapped(pieces, columns) == wrapped(["".join(pieces)], columns)


@given(st.lists(st.text("abc", min_size=1, max_size=8), max_size=40), st.integers(8, 40))
def test_no_line_is_longer_than_the_terminal_is_wide(words: list[str], columns: int) -> None:
    assert all(len(line) <= columns for line in wrapped([" ".join(words)], columns).split("\n"))


def test_the_first_line_has_less_room_and_wide_characters_take_two() -> None:
    assert wrapped(["one two three"], 10, used=4) == "one\ntwo three"
    assert wrapped(["界界 界界 x"], 9) == "界界 界界\nx"
    assert wrapped(["e\u0301e\u0301 e\u0301e\u0301"], 5) == "e\u0301e\u0301 e\u0301e\u0301"


def test_what_is_known_to_be_whole_is_shown_at_once() -> None:
    wrapping = Wrapping(20)

    assert wrapping.feed("one tw") == "one"
    assert wrapping.feed("o\n") == " two\n"
    assert wrapping.feed("x" * 30) == "x" * 30
    assert wrapping.flush() == ""


def test_a_word_longer_than_the_terminal_is_left_to_the_terminal() -> None:
    assert wrapped(["a " + "x" * 12 + " b"], 10) == "a\n" + "x" * 12 + " b"
