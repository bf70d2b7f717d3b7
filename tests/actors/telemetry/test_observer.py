"""One observer for all who want to know."""

import logging

import pytest

from trouper.actors.chat import ChatRequest, Message, TextPart
from trouper.actors.telemetry.observer import (
    NOBODY,
    AttemptBegan,
    AttemptEnded,
    AttemptSeen,
    RequestBegan,
    RequestEnded,
    RequestObserver,
    RequestSeen,
    together,
)

REQUEST = ChatRequest(model="m", messages=(Message("user", (TextPart("secret words"),)),))
BEGAN = RequestBegan(request_id="r1", request=REQUEST, model="default")
TRY = AttemptBegan(number=1, provider="p", model="m")
END = AttemptEnded(result="ok")


class Diary:
    """Writes down what it is told, and fails at the calls in `fails`."""

    def __init__(self, *fails: str, content: bool = False) -> None:
        self.told: list[object] = []
        self.content = content
        self._fails = fails

    def _note(self, call: str, what: object = None) -> "Diary":
        self.told.append(call if what is None else (call, what))
        if call in self._fails:
            raise RuntimeError(f"{call} fails")
        return self

    def began(self, began: RequestBegan) -> RequestSeen:
        return self._note("began", began)

    def attempted(self, began: AttemptBegan) -> AttemptSeen:
        return self._note("attempted", began)

    def sent(self, waited: float = 0.0) -> None:
        self._note("sent", waited)

    def first_token(self) -> None:
        self._note("first_token")

    def ended(self, ended: RequestEnded | AttemptEnded) -> None:
        self._note("ended", ended)


def tell_all(observer: RequestObserver) -> list[object]:
    seen = observer.began(BEGAN)
    tried = seen.attempted(TRY)
    tried.sent(0.5)
    tried.first_token()
    tried.ended(END)
    seen.ended(RequestEnded(result="ok"))
    return [
        ("began", BEGAN),
        ("attempted", TRY),
        ("sent", 0.5),
        "first_token",
        ("ended", END),
        ("ended", RequestEnded(result="ok")),
    ]


def test_each_of_several_observers_is_told_everything_in_order() -> None:
    one, other = Diary(), Diary()

    everything = tell_all(together(one, other))

    assert one.told == other.told == everything


@pytest.mark.parametrize("call", ["began", "attempted", "sent", "first_token", "ended"])
def test_an_observer_that_fails_is_logged_and_changes_nothing_for_the_others(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Diary(call), Diary()

    with caplog.at_level(logging.ERROR, "trouper.telemetry"):
        everything = tell_all(together(bad, good))

    assert good.told == everything
    assert f"{call} fails" in caplog.text


def test_answers_are_wanted_where_anybody_wants_them() -> None:
    assert not together(Diary(), Diary()).content
    assert together(Diary(), Diary(content=True)).content
    assert not together().content


def test_nobody_can_be_told_everything() -> None:
    assert together() is NOBODY
    tell_all(NOBODY)


def test_what_is_told_shows_no_conversation_in_its_repr() -> None:
    ended = AttemptEnded(result="ok", answer=Message("assistant", (TextPart("secret words"),)))

    assert "secret words" not in repr((BEGAN, ended))
