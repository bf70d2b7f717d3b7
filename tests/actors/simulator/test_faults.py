"""Each fault as a client without opinions meets it, over a real socket."""

import time
from typing import Any

import pytest

from tests.fakes.raw_client import RawAnswer, chat_request, connect, converse
from tests.fakes.simulator import SimulatorProcess

ONE_SHOT = {"Connection": "close"}
REPLY = {"text": "one two three four"}


async def meet(
    simulator: SimulatorProcess,
    fault: dict[str, Any] | None,
    *,
    stream: bool = True,
    patience: float = 5.0,
    **reply: Any,
) -> RawAnswer:
    sim = {"reply": {**REPLY, **reply}, "fault": fault}
    request = chat_request(sim=sim, stream=stream, headers=ONE_SHOT)
    return await converse(simulator.url, request, patience=patience)


async def test_without_a_fault_the_answer_is_whole(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, None)

    assert (answer.status, answer.ended, answer.complete) == (200, "eof", True)
    assert answer.text == "one two three four"
    assert answer.chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert answer.events[-1] == "[DONE]"


async def test_a_status_comes_with_its_headers_and_its_body(simulator: SimulatorProcess) -> None:
    fault = {"kind": "status", "status": 429, "headers": {"Retry-After": "2"}, "body": {"no": 1}}
    answer = await meet(simulator, fault)

    assert (answer.status, answer.body, answer.complete) == (429, b'{"no":1}', True)
    assert b"retry-after: 2" in answer.head


@pytest.mark.parametrize(
    ("status", "type"),
    [(401, "authentication_error"), (418, "invalid_request_error"), (529, "server_error")],
)
async def test_a_status_without_a_body_is_worded_as_openai_does(
    simulator: SimulatorProcess, status: int, type: str
) -> None:
    answer = await meet(simulator, {"kind": "status", "status": status}, stream=False)

    assert answer.status == status
    assert f'"type":"{type}"'.encode() in answer.body


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<h1>Bad Gateway</h1>", b"text/html"),
        ("upstream connect error", b"text/plain"),
        ('{"detail":1}', b"application/json"),
        ("", b"text/plain"),
    ],
)
async def test_a_status_may_have_any_text_for_a_body(
    simulator: SimulatorProcess, body: str, kind: bytes
) -> None:
    answer = await meet(simulator, {"kind": "status", "status": 502, "body": body})

    assert (answer.status, answer.body) == (502, body.encode())
    assert b"content-type: " + kind in answer.head


async def test_a_web_page_has_the_status_200(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, {"kind": "html"})

    assert answer.status == 200
    assert b"content-type: text/html" in answer.head
    assert answer.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("after", [0, 1, 150, 300])
@pytest.mark.parametrize("kind", ["cut", "reset"])
async def test_a_broken_connection_breaks_at_its_byte(
    simulator: SimulatorProcess, kind: str, after: int, stream: bool
) -> None:
    answer = await meet(simulator, {"kind": kind, "after": after}, stream=stream)

    assert answer.status == 200
    assert len(answer.body) == after
    assert not answer.complete
    assert answer.ended == {"cut": "eof", "reset": "reset"}[kind]
    assert simulator.requests()[0]["outcome"] == "broken off"
    assert simulator.requests()[0]["fault"] == kind


async def test_a_cut_at_the_last_byte_leaves_out_the_end_of_the_chunks(
    simulator: SimulatorProcess,
) -> None:
    whole = await meet(simulator, None)

    answer = await meet(simulator, {"kind": "cut", "after": len(whole.body)})

    assert answer.events[-1] == "[DONE]"
    assert not answer.complete


async def test_a_cut_beyond_the_end_never_strikes(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, {"kind": "cut", "after": 100_000})

    assert answer.complete
    assert simulator.requests()[0]["outcome"] == "served"
    assert simulator.requests()[0]["fault"] is None


@pytest.mark.parametrize("kind", ["malformed", "error_frame"])
async def test_a_fault_at_a_frame_beyond_the_end_never_strikes(
    simulator: SimulatorProcess, kind: str
) -> None:
    answer = await meet(simulator, {"kind": kind, "frame": 100})

    assert answer.text == "one two three four"
    assert simulator.requests()[0]["fault"] is None


@pytest.mark.parametrize("after", [0, 150])
async def test_a_stall_keeps_the_connection_until_the_client_leaves(
    simulator: SimulatorProcess, after: int
) -> None:
    answer = await meet(simulator, {"kind": "stall", "after": after}, patience=0.2)

    assert (answer.ended, len(answer.body)) == ("open", after)
    log = await simulator.wait_requests(lambda log: log and log[0]["outcome"] == "client left")
    assert log[0]["fault"] == "stall"


async def test_silence_takes_the_request_and_says_nothing(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, {"kind": "silence"}, patience=0.2)

    assert (answer.wire, answer.ended) == (b"", "open")
    await simulator.wait_requests(lambda log: log and log[0]["outcome"] == "client left")


async def test_pings_say_that_it_lives_and_nothing_else(simulator: SimulatorProcess) -> None:
    async with await connect(simulator.url) as stream:
        sim = {"fault": {"kind": "pings", "seconds": 0.01}}
        await stream.send_all(chat_request(sim=sim, stream=True))
        wire = b""
        while wire.count(b": ping\n\n") < 5:
            wire += await stream.receive_some()

    assert b"data:" not in wire


async def test_an_empty_reply_is_a_closed_connection(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, {"kind": "empty_reply"})

    assert (answer.wire, answer.ended) == (b"", "eof")


@pytest.mark.parametrize(("frames", "text"), [(None, "one two three four"), (2, "one"), (0, "")])
async def test_an_unmarked_end_is_in_order_and_too_early(
    simulator: SimulatorProcess, frames: int | None, text: str
) -> None:
    answer = await meet(simulator, {"kind": "unmarked", "frames": frames})

    assert (answer.complete, answer.text) == (True, text)
    assert "[DONE]" not in answer.events
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in answer.chunks)


async def test_an_unmarked_plain_reply_has_no_finish_reason(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, {"kind": "unmarked"}, stream=False)

    assert b'"finish_reason":null' in answer.body
    assert b'"usage"' not in answer.body


async def test_a_malformed_frame_is_followed_by_good_ones(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, {"kind": "malformed", "frame": 2})

    good = [event.endswith("}") for event in answer.events[:-1]]
    assert good == [True, True, False, True, True, True]
    assert answer.complete
    assert answer.events[-1] == "[DONE]"


async def test_a_malformed_plain_reply_is_half_of_its_json(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, {"kind": "malformed"}, stream=False)

    assert answer.complete
    assert answer.body.startswith(b'{"id":')
    assert not answer.body.endswith(b"}")


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("frame", [0, 1, 3])
async def test_an_error_in_the_stream_ends_it(
    simulator: SimulatorProcess, frame: int, done: bool
) -> None:
    fault = {"kind": "error_frame", "frame": frame, "message": "full", "code": "busy", "done": done}
    answer = await meet(simulator, fault)

    assert (answer.status, answer.complete) == (200, True)
    assert len(answer.chunks) == frame + 1
    assert answer.chunks[-1]["error"] == {
        "message": "full",
        "type": "server_error",
        "param": None,
        "code": "busy",
    }
    assert (answer.events[-1] == "[DONE]") is done


async def test_an_error_in_a_plain_reply_has_the_status_200(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, {"kind": "error_frame"}, stream=False)

    assert answer.status == 200
    assert answer.body.startswith(b'{"error":')


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
async def test_a_drip_is_slow_and_whole(simulator: SimulatorProcess, stream: bool) -> None:
    began = time.monotonic()
    answer = await meet(simulator, {"kind": "drip", "bytes": 100, "seconds": 0.005}, stream=stream)

    assert answer.complete
    assert b"four" in answer.body
    assert time.monotonic() - began >= len(answer.wire) // 100 * 0.005


async def test_a_body_may_end_with_its_connection(simulator: SimulatorProcess) -> None:
    answer = await meet(simulator, None, framing="close")

    assert b"transfer-encoding" not in answer.head
    assert b"connection: close" in answer.head
    assert (answer.text, answer.ended) == ("one two three four", "eof")


async def test_the_server_lives_after_every_fault(simulator: SimulatorProcess) -> None:
    for kind in ("cut", "reset"):
        await meet(simulator, {"kind": kind, "after": 10})

    assert (await meet(simulator, None)).complete
