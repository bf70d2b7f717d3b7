"""Hands an answer to the client at its pace, and lets its fault strike.

What is given to `Body.write` goes out framed by hand: one send a chunk is what
a load test needs, and h11 would only add its own work to it. A fault that ends
the response unwinds through `Struck`; the connection's owner then closes or
resets, because a watcher may still be reading from the stream.
"""

from collections.abc import Mapping
from typing import Protocol

import attrs
import trio

from .faults import spoilt_body, spoilt_frames, status_body
from .openai import ChatCall, frames
from .script import (
    Cut,
    Drip,
    EmptyReply,
    Fault,
    Html,
    Pings,
    ResetConnection,
    ScriptedAnswer,
    ScriptedReply,
    Silence,
    Stall,
    StatusError,
)
from .state import Outcome, Record

__all__ = ["Body", "Responder", "Struck", "deliver"]

_SSE = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


class Struck(Exception):
    """A fault has ended the response; the connection must end, too."""


class Responder(Protocol):
    """Begins the one response to a request."""

    def begin(
        self, status: int, headers: Mapping[str, str], body: bytes | None, *, close: bool = False
    ) -> tuple[bytes, bool]:
        """The head, and whether the body is to be framed in chunks.

        `body` is the whole body where it is known, else None; with `close` the
        connection's end is the body's.
        """
        ...


@attrs.define(eq=False)
class Body:
    """The body of one response on its way: frames, holds together, counts, strikes."""

    stream: trio.abc.SendStream
    record: Record
    chunked: bool
    fault: Fault | None
    held: list[bytes]

    @property
    def _limit(self) -> int | None:
        """The byte at which the fault strikes."""
        match self.fault:
            case Cut(after=after) | ResetConnection(after=after) | Stall(after=after):
                return after
            case _:
                return None

    async def open(self) -> None:
        """Send the head, ahead of the body."""
        await self.flush()
        if self._limit == 0:
            await self._strike()

    async def write(self, data: bytes, *, more: bool = False) -> None:
        """Send `data` as one chunk, together with the next where `more` says so."""
        opening, closing = (b"%x\r\n" % len(data), b"\r\n") if self.chunked else (b"", b"")
        limit = self._limit
        if limit is not None and self.record.bytes + len(data) >= limit:
            self.held += (opening, data[: limit - self.record.bytes])
            self.record.bytes = limit
            await self._strike()
        self.record.bytes += len(data)
        self.held += (opening, data, closing)
        if not more:
            await self.flush()

    async def close(self) -> None:
        """Send what is held, and the end of the body."""
        if self.chunked:
            self.held.append(b"0\r\n\r\n")
        # Before the last byte leaves: who has read it may ask for the log at once.
        self.record.outcome = Outcome.SERVED
        await self.flush()

    async def flush(self) -> None:
        """Send what is held."""
        if not self.held:
            return
        data = b"".join(self.held)
        self.held.clear()
        if isinstance(self.fault, Drip):
            self.record.fault = self.fault.kind
            for start in range(0, len(data), self.fault.bytes):
                await self.stream.send_all(data[start : start + self.fault.bytes])
                await trio.sleep(self.fault.seconds)
        else:
            await self.stream.send_all(data)

    async def _strike(self) -> None:
        assert self.fault is not None
        self.record.fault = self.fault.kind
        await self.flush()
        if isinstance(self.fault, Stall):
            await trio.sleep_forever()
        raise Struck


async def deliver(
    stream: trio.abc.SendStream,
    responder: Responder,
    call: ChatCall,
    answer: ScriptedAnswer,
    record: Record,
) -> None:
    """Answer `call` on `stream`, and write into `record` how it went.

    Raises Struck where a fault has broken the response off, and what the
    stream raises where the client has left.
    """
    fault, reply = answer.fault, answer.reply
    match fault:
        case Silence():
            record.fault = fault.kind
            await trio.sleep_forever()
        case EmptyReply():
            record.fault = fault.kind
            raise Struck
        case StatusError():
            record.fault = fault.kind
            data, kind = status_body(fault)
            headers = {"content-type": kind, **_request_id(record), **fault.headers}
            await _whole(stream, responder, record, None, fault.status, headers, data)
        case Html():
            record.fault = fault.kind
            headers = {"content-type": "text/html; charset=utf-8"}
            data = fault.body.encode()
            await _whole(stream, responder, record, None, fault.status, headers, data)
        case _ if call.stream:
            await _stream(stream, responder, call, answer, record)
        case _:
            await trio.sleep(_duration(call, reply))
            data, words = spoilt_body(call, reply, fault, record)
            record.tokens = words
            headers = {"content-type": "application/json", **_request_id(record), **reply.headers}
            await _whole(stream, responder, record, fault, 200, headers, data)


async def _whole(
    stream: trio.abc.SendStream,
    responder: Responder,
    record: Record,
    fault: Fault | None,
    status: int,
    headers: Mapping[str, str],
    data: bytes,
) -> None:
    """Send a body whose length the head tells."""
    record.status = status
    head, _ = responder.begin(status, headers, data)
    body = Body(stream=stream, record=record, chunked=False, fault=fault, held=[head])
    if data:
        await body.write(data, more=True)
    await body.close()


async def _stream(
    stream: trio.abc.SendStream,
    responder: Responder,
    call: ChatCall,
    answer: ScriptedAnswer,
    record: Record,
) -> None:
    reply, fault = answer.reply, answer.fault
    told = spoilt_frames(frames(call, reply), fault, record)
    record.status = 200
    close = reply.framing == "close"
    headers = {**_SSE, **_request_id(record), **reply.headers}
    head, chunked = responder.begin(200, headers, None, close=close)
    body = Body(stream=stream, record=record, chunked=chunked, fault=fault, held=[head])
    await body.open()
    if isinstance(fault, Pings):
        record.fault = fault.kind
        while True:
            await trio.sleep(fault.seconds)
            await body.write(b": ping\n\n")
    await trio.sleep(reply.delay)
    due = trio.current_time()
    for frame in told:
        if frame.paced and reply.pace:
            if due > trio.current_time():
                await body.flush()
                await trio.sleep_until(due)
            due += reply.pace
        record.tokens += frame.words
        # What has no place of its own in the schedule goes out with its neighbour.
        await body.write(frame.data, more=not frame.paced)
    await body.close()


def _duration(call: ChatCall, reply: ScriptedReply) -> float:
    """How long the stream of `reply` would take, in seconds."""
    if not reply.pace:
        return reply.delay
    paced = sum(frame.paced for frame in frames(call, reply))
    return reply.delay + reply.pace * max(0, paced - 1)


def _request_id(record: Record) -> dict[str, str]:
    return {"x-request-id": f"req_sim_{record.number}"}
