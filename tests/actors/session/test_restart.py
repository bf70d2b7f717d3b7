"""An answer that begins again, as a session, its reader and its clients have it."""

from itertools import pairwise

import httpx
import orjson
from trio.testing import MockClock

from tests.fakes.house import Listener, open_house, said
from tests.fakes.provider import DONE, FINISH, ROLE, Answers, Body, delta, frame, sse
from tests.fakes.routes import open_route
from trouper.actors.chat import TextPart
from trouper.actors.session.events import AnswerReset, TextAdded, ThoughtAdded
from trouper.actors.session.messages import Attach, Prompt

CUT = httpx.ReadError("reset by peer")
RESTART = {"on_midstream": "restart"}
THOUGHT = frame({"reasoning_content": "hm"})


def broken() -> Body:
    return Body(ROLE, THOUGHT, delta("Once "), delta("upon"), CUT)


async def test_those_who_listen_learn_that_the_text_so_far_is_void(
    autojump_clock: MockClock,
) -> None:
    async with (
        open_route(a=Answers(broken()), b=Answers(sse("There ", "was")), route=RESTART) as stage,
        open_house(stage=stage) as house,
    ):
        ref, listener = await house.open(), Listener()
        await ref.ask(Attach(listener))
        await ref.ask(Prompt((TextPart("hello"),)))
        await listener.ended()
        history = await said(ref)

    names = [type(event).__name__ for event in listener.events]
    assert names == [
        "TurnStarted",
        "ThoughtAdded",
        "TextAdded",
        "TextAdded",
        "AnswerReset",
        "TextAdded",
        "TextAdded",
        "TurnEnded",
    ]
    assert AnswerReset(first=5, seq=5, turn=1, reason="a broke off: stream_truncated") in (
        listener.events
    )
    assert all(later.first == earlier.seq + 1 for earlier, later in pairwise(listener.events))
    # The conversation has what stands, and nothing of what was taken back.
    assert history == [("user", "hello"), ("assistant", "There was")]


async def test_a_reader_gets_the_reset_between_the_two_answers(autojump_clock: MockClock) -> None:
    async with (
        open_route(a=Answers(broken()), b=Answers(sse("There ", "was")), route=RESTART) as stage,
        open_house(stage=stage) as house,
    ):
        session = await house.handle()
        async with session.prompt("hello") as turn:
            events = [event async for event in turn]

    [reset] = [number for number, one in enumerate(events) if isinstance(one, AnswerReset)]
    before, after = events[:reset], events[reset + 1 :]
    assert "".join(one.text for one in before if isinstance(one, TextAdded)) == "Once upon"
    assert any(isinstance(one, ThoughtAdded) for one in before)
    assert "".join(one.text for one in after if isinstance(one, TextAdded)) == "There was"
    # Who only prints what comes needs no case for it.
    assert events[reset].text == ""  # type: ignore[union-attr]


async def test_ask_gives_the_answer_that_stands(autojump_clock: MockClock) -> None:
    async with (
        open_route(a=Answers(broken()), b=Answers(sse("There ", "was")), route=RESTART) as stage,
        open_house(stage=stage) as house,
    ):
        session = await house.handle()

        assert await session.ask("hello") == "There was"


async def test_a_conversation_stays_with_who_answered_until_that_one_fails(
    autojump_clock: MockClock,
) -> None:
    down = httpx.Response(404, json={})
    a = Answers(down, sse("a again"), down)
    b = Answers(sse("from b"), sse("b again"), down)
    async with open_route(a=a, b=b) as stage, open_house(stage=stage) as house:
        session = await house.handle()
        answers = [await session.ask("hello") for _ in range(3)]
        sends = stage.counts

    # The third finds b down, and with it the pin is gone.
    assert answers == ["from b", "b again", "a again"]
    assert sends == {"a": 2, "b": 3}


async def test_a_request_says_on_whose_behalf_it_is_made(autojump_clock: MockClock) -> None:
    calls: list[tuple[str, str]] = []

    class Seen:
        content = False

        def began(self, began: object) -> "Seen":
            calls.append((began.session, began.user))  # type: ignore[attr-defined]
            return self

        def attempted(self, began: object) -> "Seen":
            return self

        def sent(self, waited: float = 0.0) -> None: ...
        def first_token(self) -> None: ...
        def ended(self, ended: object) -> None: ...

    observed = {"observer": Seen()}
    async with (
        open_route(a=Answers(Body(ROLE, delta("a"), FINISH, DONE)), route=observed) as stage,
        open_house(stage=stage) as house,
    ):
        session = await house.handle("s1")
        await session.ask("hello")
        [request] = stage.asked["a"].requests

    assert calls == [("s1", "me")]
    assert orjson.loads(request.content)["model"] == "m"
