"""What a client keeps of a conversation that it is told from its beginning."""

import pytest

from trouper.actors.client import history as under_test
from trouper.actors.client.history import History, Said
from trouper.actors.wire.session_client import ToolNews, Update, UserSaid


def test_pieces_of_one_speaker_are_one_and_thoughts_and_tools_are_none() -> None:
    history = History()
    for news in (
        UserSaid("s", "he"),
        UserSaid("s", "llo"),
        Update("s", "hm", True, 0),
        Update("s", "good ", False, 0),
        ToolNews(session_id="s", call_id="c", status="completed", seq=0, is_new=True),
        Update("s", "day", False, 0),
        UserSaid("s", "bye"),
    ):
        history.take(news)

    assert history.said == (
        Said("user", "hello"),
        Said("assistant", "good day"),
        Said("user", "bye"),
    )


def test_an_answer_that_begins_again_is_kept_once() -> None:
    history = History()
    history.take(Update("s", "", False, 1, reset=True))
    history.take(UserSaid("s", "hello"))
    history.take(Update("s", "Once upon", False, 2))
    history.take(Update("s", "", False, 3, reset=True))
    history.take(Update("s", "There was", False, 4))

    assert history.said[1:] == (Said("assistant", "There was"),)


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_MOST", 5)
    history = History()
    for _ in range(3):
        history.take(UserSaid("s", "abc"))

    assert history.said == (Said("user", "abc"),)
