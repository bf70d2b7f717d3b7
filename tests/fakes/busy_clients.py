"""Clients of sessions on a server that is killed again and again: each resumes, and talks on.

They speak ACP without a library, and check what they are told while they are.
"""

import json
from collections import Counter
from random import Random
from typing import Any

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from trouper.actors.client.connect import open_websocket
from trouper.actors.client.errors import CannotConnect

__all__ = ["BusyClient", "SeenTurn"]

_CAPABILITIES = {"_meta": {"trouper.dev": {"v": 1}}}


@attrs.define
class SeenTurn:
    """What one client was told of one turn, over all its connections."""

    text: str = ""
    calls: Counter[str] = attrs.field(factory=Counter[str])
    ended_calls: Counter[str] = attrs.field(factory=Counter[str])
    # "" while it is under way, a stop reason, or "error".
    stop: str = ""


class BusyClient:
    """One client with one session. `faults` are the promises that were broken to it."""

    def __init__(self, port: int, random: Random) -> None:
        self.session = ""
        self.turns: dict[int, SeenTurn] = {}
        self.faults: list[str] = []
        self.refusals: Counter[str] = Counter()
        """What its prompts were answered by, other than an end."""
        self.resumed = 0
        """How often it has come back to its session."""
        self._port = port
        self._random = random
        self._seq = 0
        self._turn = 0
        self._number = 0
        self._news = trio.Event()

    @property
    def ended(self) -> int:
        """How many of its turns have ended as they should."""
        return sum(turn.stop == "end_turn" for turn in self.turns.values())

    async def wait_ended(self, count: int) -> None:
        """Wait until so many of its turns have ended as they should."""
        while self.ended < count:
            self._news = trio.Event()
            await self._news.wait()

    async def live(self) -> None:
        """One connection after the other, for ever."""
        while True:
            try:
                await self._connect()
            except* (CannotConnect, ConnectionClosed, trio.BrokenResourceError):
                pass
            await trio.sleep(0.02 + 0.05 * self._random.random())

    async def _connect(self) -> None:
        # Not trio-websocket's own, which waits for ever where a server dies in its handshake.
        async with open_websocket(f"ws://127.0.0.1:{self._port}/acp", None) as websocket:
            await self._converse(websocket)

    async def _converse(self, websocket: WebSocketConnection) -> None:
        await self._call(
            websocket, "initialize", protocolVersion=1, clientCapabilities=_CAPABILITIES
        )
        if self.session:
            after = {"trouper.dev/afterSeq": self._seq}
            answer = await self._call(
                websocket, "session/resume", sessionId=self.session, cwd="/", _meta=after
            )
            if "error" in answer:
                self.faults.append(f"not resumed behind {self._seq}: {answer['error']}")
                await trio.sleep(1)
                return
            self.resumed += 1
        else:
            answer = await self._call(websocket, "session/new", cwd="/", mcpServers=[])
            self.session = answer["result"]["sessionId"]
        while True:
            while self._turn in self.turns and not self.turns[self._turn].stop:
                await self._next(websocket)
            words = self._random.choice(("tell", "act", "act twice"))
            block = {"type": "text", "text": f"{words} {self._random.random()}"}
            params = {"sessionId": self.session, "prompt": [block]}
            answer = await self._call(websocket, "session/prompt", **params)
            if "error" in answer:
                self.refusals[answer["error"]["message"]] += 1

    async def _call(self, websocket: WebSocketConnection, method: str, **params: Any) -> Any:
        self._number += 1
        frame = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        await websocket.send_message(json.dumps(frame))
        while True:
            message = await self._next(websocket)
            if message.get("id") == self._number:
                return message

    async def _next(self, websocket: WebSocketConnection) -> Any:
        message = json.loads(await websocket.get_message())
        match message.get("method"):
            case "session/update":
                update = message["params"]["update"]
                self._in_order(update, message)
                self._take(update)
            case "_trouper.dev/turn":
                self._in_order(message["params"], message)
                self._turned(message["params"])
            case _:
                pass
        return message

    def _in_order(self, body: dict[str, Any], message: Any) -> None:
        seq = body["_meta"]["trouper.dev/seq"]
        if seq <= self._seq:
            self.faults.append(f"told again behind {self._seq}: {json.dumps(message)[:200]}")
        self._seq = seq

    def _turned(self, params: dict[str, Any]) -> None:
        number = params["turn"]
        if params["state"] == "running":
            if number in self.turns:
                self.faults.append(f"turn {number} was begun twice")
            self.turns[number], self._turn = SeenTurn(), number
        elif self.turns[number].stop:
            self.faults.append(f"turn {number} has ended twice")
        else:
            self.turns[number].stop = params.get("stopReason", "error")
            self._news.set()

    def _take(self, update: dict[str, Any]) -> None:
        turn = self.turns.get(self._turn)
        kind = update["sessionUpdate"]
        if kind == "session_info_update":
            return
        if turn is None or turn.stop:
            self.faults.append(f"{kind} outside of a turn")
        elif kind == "agent_message_chunk":
            turn.text += update["content"]["text"]
        elif kind == "tool_call":
            turn.calls[update["toolCallId"]] += 1
        elif kind == "tool_call_update" and update["status"] in ("completed", "failed"):
            turn.ended_calls[update["toolCallId"]] += 1
