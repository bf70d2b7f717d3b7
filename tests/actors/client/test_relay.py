"""A client that is joined to one connection after another sees one conversation."""

import json
from typing import Any

import pytest

from trouper.actors.client.relay import Relay
from trouper.actors.wire.jsonrpc import RpcFault
from trouper.actors.wire.session import EVENTS_GONE

Body = dict[str, Any]


class Stand:
    """A relay, the client before it and the server behind it."""

    def __init__(self) -> None:
        self.relay = Relay()

    def client(self, **body: Any) -> list[Body]:
        """What the server gets of what the client says."""
        self.relay.client_says(json.dumps({"jsonrpc": "2.0", **body}))
        return self.sent()

    def server(self, **body: Any) -> list[Body]:
        """What the client gets of what the server says."""
        self.relay.server_says(json.dumps({"jsonrpc": "2.0", **body}))
        return self.told()

    def sent(self) -> list[Body]:
        frames = [json.loads(frame) for frame in self.relay.to_server]
        self.relay.to_server.clear()
        return frames

    def told(self) -> list[Body]:
        frames = [json.loads(frame) for frame in self.relay.to_client]
        self.relay.to_client.clear()
        return frames

    def says(self, seq: int, text: str = "x", session: str = "s") -> list[Body]:
        update = {
            "sessionUpdate": "agent_message_chunk",
            "content": {"type": "text", "text": text},
            "_meta": {"trouper.dev/seq": seq},
        }
        return self.server(method="session/update", params={"sessionId": session, "update": update})

    def turn(self, seq: int, turn: int, **more: Any) -> list[Body]:
        params = {"sessionId": "s", "turn": turn, "_meta": {"trouper.dev/seq": seq}, **more}
        return self.server(method="_trouper.dev/turn", params=params)

    def begun(self) -> "Stand":
        """With a session, and a prompt of the number 3 that was sent."""
        self.client(id=1, method="initialize", params={"protocolVersion": 1})
        self.server(id=1, result={"protocolVersion": 1})
        self.client(id=2, method="session/new", params={"cwd": "/"})
        self.server(id=2, result={"sessionId": "s"})
        self.client(id=3, method="session/prompt", params={"sessionId": "s", "prompt": []})
        return self

    def again(self) -> Body:
        """Lose the connection and make another; the request to resume."""
        self.relay.lost()
        self.relay.again()
        hello, resume = self.sent()
        assert hello["method"] == "initialize"
        assert self.server(id=hello["id"], result={}) == []
        return resume


def test_what_both_say_passes_as_it_is() -> None:
    stand = Stand().begun()

    assert stand.says(2, "hello")[0]["params"]["update"]["content"]["text"] == "hello"
    answer = {"stopReason": "end_turn"}
    assert stand.server(id=3, result=answer) == [{"jsonrpc": "2.0", "id": 3, "result": answer}]
    [sent] = stand.client(method="session/cancel", params={"sessionId": "s"})
    assert sent["method"] == "session/cancel"
    assert stand.server(method="x/y", params={}) == [
        {"jsonrpc": "2.0", "method": "x/y", "params": {}}
    ]


def test_a_client_that_says_no_json_is_told_so_here() -> None:
    stand = Stand()
    stand.relay.client_says("{")

    assert stand.sent() == []
    assert stand.told()[0]["error"]["code"] == -32700
    with pytest.raises(RpcFault):
        stand.relay.server_says("{")


def test_turns_are_asked_for_and_told_to_who_wants_them() -> None:
    quiet, curious = Stand(), Stand()
    [hello] = quiet.client(id=1, method="initialize", params={"protocolVersion": 1})
    capable = {"protocolVersion": 1, "clientCapabilities": {"_meta": {"trouper.dev": {"v": 1}}}}
    curious.client(id=1, method="initialize", params=capable)

    assert hello["params"]["clientCapabilities"] == {"_meta": {"trouper.dev": {"v": 1}}}
    assert quiet.turn(1, 1, state="running") == []
    assert len(curious.turn(1, 1, state="running")) == 1


def test_a_new_connection_resumes_behind_what_the_client_was_told() -> None:
    stand = Stand().begun()
    stand.turn(1, 1, state="running")
    stand.says(7)
    resume = stand.again()

    assert resume["method"] == "session/resume"
    assert resume["params"]["sessionId"] == "s"
    assert resume["params"]["_meta"] == {"trouper.dev/afterSeq": 7}
    assert not stand.relay.is_ready
    assert len(stand.says(8)) == 1
    meta = {"trouper.dev/seq": 8, "trouper.dev/turn": 1}
    assert stand.server(id=resume["id"], result={"_meta": meta}) == []
    assert stand.relay.is_ready


@pytest.mark.parametrize(
    ("end", "answer"),
    [
        (
            {"stopReason": "max_tokens"},
            {"result": {"stopReason": "max_tokens", "_meta": {"trouper.dev/seq": 9}}},
        ),
        ({"error": {"code": -1, "message": "m"}}, {"error": {"code": -1, "message": "m"}}),
    ],
)
@pytest.mark.parametrize("when", ["missed", "later"])
def test_a_prompt_whose_answer_was_lost_is_answered_by_the_end_of_its_turn(
    end: Body, answer: Body, when: str
) -> None:
    stand = Stand().begun()
    stand.turn(1, 1, state="running")
    resume = stand.again()
    told: list[Body] = []
    if when == "missed":
        told += stand.turn(9, 1, state="ended", **end)
        told += stand.server(id=resume["id"], result={"_meta": {"trouper.dev/seq": 9}})
    else:
        meta = {"trouper.dev/seq": 1, "trouper.dev/turn": 1}
        told += stand.server(id=resume["id"], result={"_meta": meta})
        told += stand.turn(9, 1, state="ended", **end)

    assert told == [{"jsonrpc": "2.0", "id": 3, **answer}]


def test_a_prompt_that_was_not_taken_is_not_sent_again_by_itself() -> None:
    stand = Stand().begun()
    resume = stand.again()
    [failed] = stand.server(id=resume["id"], result={"_meta": {"trouper.dev/seq": 0}})

    assert stand.sent() == []
    assert failed["id"] == 3
    assert failed["error"]["data"] == {"retryable": True}


def test_where_what_was_missed_is_gone_the_session_goes_on_without_it() -> None:
    stand = Stand().begun()
    stand.turn(1, 1, state="running")
    resume = stand.again()
    gone = {"code": EVENTS_GONE, "message": "gone"}
    assert stand.server(id=resume["id"], error=gone) == []
    [plain] = stand.sent()
    [failed] = stand.server(id=plain["id"], result={"_meta": {"trouper.dev/seq": 99}})
    stand.relay.lost()
    stand.relay.again()

    assert "trouper.dev/afterSeq" not in plain["params"]["_meta"]
    assert "load" in failed["error"]["message"]
    assert stand.sent()[1]["params"]["_meta"] == {"trouper.dev/afterSeq": 99}


def test_a_session_that_is_gone_is_told_where_it_is_asked_for() -> None:
    stand = Stand().begun()
    resume = stand.again()
    error = {"code": -32002, "message": "no such session"}
    told = stand.server(id=resume["id"], error=error)
    stand.relay.lost()
    stand.relay.again()

    assert told == [{"jsonrpc": "2.0", "id": 3, "error": error}]
    assert len(stand.sent()) == 1


def test_what_does_no_harm_is_asked_again_and_the_rest_is_said_to_have_failed() -> None:
    stand = Stand().begun()
    stand.server(id=3, result={"stopReason": "end_turn"})
    stand.client(id=4, method="session/list", params={})
    stand.client(id=5, method="session/load", params={"sessionId": "t"})
    stand.client(id=6, method="session/prompt", params={"sessionId": "unknown"})
    stand.relay.lost()
    stand.relay.again()

    assert [frame.get("method") for frame in stand.sent()] == [
        "initialize",
        "session/resume",
        "session/list",
    ]
    assert [frame["id"] for frame in stand.told()] == [5, 6]
    assert stand.server(id=4, result={"sessions": []})[0]["id"] == 4


def test_a_connection_that_is_lost_during_the_greeting_begins_with_it() -> None:
    stand = Stand()
    stand.relay.again()
    assert stand.sent() == []
    stand.client(id="a", method="initialize", params={"protocolVersion": 1})
    stand.relay.lost()
    stand.relay.again()

    assert [frame["id"] for frame in stand.sent()] == ["a"]
    assert stand.server(id="a", result={"protocolVersion": 1})[0]["id"] == "a"


def test_a_turn_of_an_earlier_connection_is_given_up_by_its_session() -> None:
    stand = Stand().begun()
    stand.turn(1, 1, state="running")
    resume = stand.again()
    stand.server(id=resume["id"], result={"_meta": {"trouper.dev/turn": 1}})
    old = stand.client(method="$/cancel_request", params={"requestId": 3})
    unknown = stand.client(method="$/cancel_request", params={"requestId": 33})

    assert (old[0]["method"], old[0]["params"]) == ("session/cancel", {"sessionId": "s"})
    assert unknown[0]["method"] == "$/cancel_request"


def test_sessions_that_are_left_are_not_resumed_and_those_that_are_loaded_are() -> None:
    stand = Stand().begun()
    stand.server(id=3, result={"stopReason": "end_turn", "_meta": {"trouper.dev/seq": 5}})
    stand.client(id=4, method="session/load", params={"sessionId": "t"})
    stand.server(id=4, result={"_meta": {"trouper.dev/seq": 12}})
    stand.client(id=5, method="session/close", params={"sessionId": "s"})
    stand.server(id=5, result={})
    resume = stand.again()

    assert resume["params"]["sessionId"] == "t"
    assert resume["params"]["_meta"] == {"trouper.dev/afterSeq": 12}


ASK = {"sessionId": "s", "toolCall": {"toolCallId": "1/c"}, "options": []}
LEAVE = {"outcome": {"outcome": "selected", "optionId": "allow"}}


def test_a_question_is_asked_once_however_many_connections_there_are() -> None:
    stand = Stand().begun()
    [asked] = stand.server(id=1, method="session/request_permission", params=ASK)
    resume = stand.again()
    assert stand.server(id=1, method="session/request_permission", params=ASK) == []
    stand.server(id=resume["id"], result={})
    [answer] = stand.client(id=asked["id"], result=LEAVE)

    assert answer == {"jsonrpc": "2.0", "id": 1, "result": LEAVE}


def test_an_answer_that_is_given_between_two_connections_is_kept() -> None:
    stand = Stand().begun()
    [asked] = stand.server(id=8, method="session/request_permission", params=ASK)
    stand.relay.lost()
    assert stand.client(id=asked["id"], result=LEAVE) == []
    stand.relay.again()
    stand.sent()

    assert stand.server(id=1, method="session/request_permission", params=ASK) == []
    assert stand.sent() == [{"jsonrpc": "2.0", "id": 1, "result": LEAVE}]
    assert stand.client(id=asked["id"], result=LEAVE) == []


def test_a_question_that_was_settled_meanwhile_is_withdrawn() -> None:
    stand = Stand().begun()
    [asked] = stand.server(id=1, method="session/request_permission", params=ASK)
    resume = stand.again()
    withdrawn, _ = stand.server(id=resume["id"], result={})

    assert (withdrawn["method"], withdrawn["params"]) == (
        "$/cancel_request",
        {"requestId": asked["id"]},
    )


def test_a_question_that_is_withdrawn_is_withdrawn_by_the_clients_number() -> None:
    stand = Stand().begun()
    stand.server(id=1, method="session/request_permission", params=ASK)
    other = {**ASK, "toolCall": {"toolCallId": "1/d"}}
    stand.again()
    [asked] = stand.server(id=1, method="session/request_permission", params=other)
    [withdrawn] = stand.server(method="$/cancel_request", params={"requestId": 1})

    assert asked["id"] == 2
    assert withdrawn["params"] == {"requestId": 2}
