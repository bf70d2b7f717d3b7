"""What stands before a response is found without holding up who has nothing to do with it."""

import orjson
import trio

from tests.fakes.models import FakeModels
from tests.fakes.stored_responses import NOON, response
from trouper.actors.gateway.limits import Limits
from trouper.actors.gateway.responding import Responding
from trouper.actors.store.memory_responses import MemoryResponses
from trouper.actors.store.responses import StoredResponse
from trouper.actors.wire.responses_serving_request import read_response_request


def stored(number: int) -> StoredResponse:
    said = [{"type": "message", "role": "user", "content": "word " * 10}]
    return response(
        f"resp_{number}",
        previous=f"resp_{number - 1}" if number else "",
        input=orjson.dumps(said),
        body=orjson.dumps({"output": said}),
    )


async def test_others_go_on_while_a_long_conversation_is_read_to_go_on_from() -> None:
    store, looks = MemoryResponses(clock=lambda: NOON), 0
    for number in range(3_000):
        await store.put(stored(number))
    asked = read_response_request(
        {"model": "small", "input": "hi", "previous_response_id": "resp_2999"}
    )

    async def look() -> None:
        nonlocal looks
        while True:
            await trio.sleep(0.001)
            looks += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        found = await Responding(FakeModels(), store, Limits()).resolve(asked, "alice")
        nursery.cancel_scope.cancel()

    assert len(found.before.messages) == 6_000
    # None, where it is read on the loop.
    assert looks > 0
