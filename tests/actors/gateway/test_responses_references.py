"""Items that are named by their ids: what a request may take of the store, and no more."""

import json
from typing import Any

import trio

from tests.fakes.gateway import Running, start_gateway
from tests.fakes.models import FakeModels, spoken
from tests.fakes.responses_client import ask
from trouper.actors.gateway.limits import Limits
from trouper.actors.store.memory_responses import MemoryResponses
from trouper.actors.store.responses import StoredResponse


class Counting(MemoryResponses):
    looked_up = 0

    async def find(self, id: str, *, owner: str) -> StoredResponse | None:
        self.looked_up += 1
        return await super().find(id, owner=owner)


async def reference(running: Running) -> dict[str, Any]:
    """What names the item of a new response."""
    answer = await ask(running, input="one")
    return {"type": "item_reference", "id": json.loads(answer.body)["output"][0]["id"]}


async def test_a_response_is_looked_up_once_however_often_its_items_are_named(
    nursery: trio.Nursery,
) -> None:
    store, models = Counting(), FakeModels()
    running = await start_gateway(nursery, models=models, responses=store)
    named = await reference(running)

    answer = await ask(running, input=[named] * 100)

    assert answer.status == 200
    assert models.asked[-1][0].messages[0].text == "hello" * 100
    assert store.looked_up == 1


async def test_items_are_counted_while_they_are_looked_up(nursery: trio.Nursery) -> None:
    # They piled up in memory, all of them, and were counted then.
    store, models = Counting(), FakeModels(spoken("x" * 2_000))
    limits = Limits(chat_body_bytes=5_000)
    running = await start_gateway(nursery, models=models, responses=store, limits=limits)
    named = [await reference(running) for _ in range(10)]

    for items, looked_up in ((named, 3), (named[:1] * 10, 1)):
        store.looked_up = 0
        answer = await ask(running, input=items)

        assert answer.status == 400
        assert json.loads(answer.body)["error"]["code"] == "context_length_exceeded"
        assert store.looked_up == looked_up
    assert len(models.asked) == 10


async def test_what_is_no_id_of_an_item_is_refused_before_any_is_looked_up(
    nursery: trio.Nursery,
) -> None:
    store = Counting()
    running = await start_gateway(nursery, models=FakeModels(), responses=store)
    named = await reference(running)

    answer = await ask(running, input=[named, {**named, "id": "msg_1"}])

    assert json.loads(answer.body)["error"]["code"] == "item_not_found"
    assert store.looked_up == 0
