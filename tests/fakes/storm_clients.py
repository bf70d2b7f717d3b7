"""Clients that connect, prompt, cancel and vanish at random; run as a process of their own.

`python storm_clients.py PORT SECONDS CLIENTS SEED` ends after the time and
prints what it did as one line of JSON. The prompts carry words that the
simulator's script turns into faults.
"""

import json
import random
import sys
from collections import Counter
from typing import Any

import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, open_websocket_url

__all__: list[str] = []

WORDS = ("plain", "cut", "reset", "stall", "status", "malformed", "unmarked", "html", "drip")


class Client:
    def __init__(self, port: int, rng: random.Random, did: Counter[str]) -> None:
        self._url = f"ws://127.0.0.1:{port}/acp"
        self._rng = rng
        self._did = did
        self._number = 0

    async def live(self) -> None:
        """One connection after the other, for ever."""
        while True:
            try:
                async with open_websocket_url(self._url) as websocket:
                    await self._converse(websocket)
            except* (ConnectionClosed, HandshakeError, OSError):
                self._did["lost"] += 1
            await trio.sleep(self._rng.random() * 0.2)

    async def _converse(self, websocket: WebSocketConnection) -> None:
        await self._call(websocket, "initialize", protocolVersion=1)
        opened = await self._call(websocket, "session/new", cwd="/", mcpServers=[])
        session = opened["result"]["sessionId"]
        for _ in range(self._rng.randint(1, 4)):
            text = self._rng.choice(WORDS)
            choice = self._rng.random()
            self._did["prompts"] += 1
            if choice < 0.5:
                answer = await self._call(websocket, "session/prompt", **_prompt(session, text))
                self._did["failed" if "error" in answer else "answered"] += 1
            else:
                await self._send(websocket, "session/prompt", **_prompt(session, text))
                await trio.sleep(self._rng.random() * 0.3)
                if choice < 0.75:
                    self._did["cancelled"] += 1
                    await self._notify(websocket, "session/cancel", sessionId=session)
                    await trio.sleep(self._rng.random() * 0.1)
                else:
                    self._did["vanished"] += 1
                    await trio.aclose_forcefully(websocket._stream)
                    return

    async def _call(self, websocket: WebSocketConnection, method: str, **params: Any) -> Any:
        number = await self._send(websocket, method, **params)
        while True:
            message = json.loads(await websocket.get_message())
            if message.get("id") == number:
                return message

    async def _send(self, websocket: WebSocketConnection, method: str, **params: Any) -> int:
        self._number += 1
        frame = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        await websocket.send_message(json.dumps(frame))
        return self._number

    async def _notify(self, websocket: WebSocketConnection, method: str, **params: Any) -> None:
        await websocket.send_message(
            json.dumps({"jsonrpc": "2.0", "method": method, "params": params})
        )


def _prompt(session: str, text: str) -> dict[str, Any]:
    return {"sessionId": session, "prompt": [{"type": "text", "text": text}]}


async def main(port: int, seconds: float, clients: int, seed: int) -> None:
    did: Counter[str] = Counter()
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for number in range(clients):
                client = Client(port, random.Random(seed * 10_000 + number), did)
                nursery.start_soon(client.live)
    print(json.dumps(did))


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
