"""Responses, answered: what stood before is found, a model is asked, the answer is kept.

The same for HTTP and for websockets, which differ in how events get to the client.
A response is kept before its last event is told, so that whoever hears that it has
ended can go on from it anywhere. Where it cannot be kept the client has its answer
all the same, and `store` in it is false.
"""

import re
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import attrs
import orjson
import structlog
import trio

from ...runtime.errors import ActorError
from ..chat import ChatRequest, Message
from ..errors import ErrorKind, ProviderError
from ..provider.call import Call
from ..store.responses import Chain, ResponseStore, StoredResponse
from ..store.threads import aside
from ..wire.assembly import chunks_of
from ..wire.body_reader import BodyReader
from ..wire.encoded import dump_json
from ..wire.openai_faults import ApiFault
from ..wire.openai_served_request import RefusedRequest
from ..wire.responses_serving import Event
from ..wire.responses_serving_events import ResponseWriter
from ..wire.responses_serving_items import read_items
from ..wire.responses_serving_request import AskedResponse, resolved
from .limits import Limits
from .models import Models

__all__ = ["Recent", "ResolvedRequest", "Responding", "ResponseHistory"]

log = structlog.get_logger("trouper.gateway")

# Conversations that one websocket is to remember: one for each of its lanes.
_MOST_RECENT = 33

# The id of an item of ours names its response.
_ITEM = re.compile(r"[a-z]+_([0-9a-f]{24})[0-9a-f]{4}")

# What a response says of its request that is as large as the request: each kept row
# would hold the tools once more.
_NOT_KEPT: Final[Mapping[str, Any]] = {"instructions": None, "tools": []}


@attrs.frozen
class ResponseHistory:
    """What was said up to a response, that one included, and how many bytes that was as JSON."""

    messages: tuple[Message, ...] = ()
    size: int = 0


class Recent:
    """The conversations that a connection knows by itself, by the ids of their responses.

    Those that were not to be stored are known nowhere else. They take `most_bytes`
    at most; who was not asked for longest goes first.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, ResponseHistory] = OrderedDict()
        self._size = 0

    def get(self, id: str) -> ResponseHistory | None:
        """The conversation up to that response."""
        if id in self._kept:
            self._kept.move_to_end(id)
        return self._kept.get(id)

    def put(self, id: str, conversation: ResponseHistory) -> None:
        """Know it until there is no room for it any more."""
        self._kept[id] = conversation
        self._size += conversation.size
        while self._kept and (self._size > self._most_bytes or len(self._kept) > _MOST_RECENT):
            _, gone = self._kept.popitem(last=False)
            self._size -= gone.size


@attrs.frozen
class ResolvedRequest:
    """A request to answer, with what was said before it. `recent` is what its connection knows."""

    asked: AskedResponse
    before: ResponseHistory
    owner: str
    recent: Recent | None
    items: bytes = attrs.field(repr=False)

    @property
    def request(self) -> ChatRequest:
        """What the model is asked."""
        return self.asked.instructed((*self.before.messages, *self.asked.request.messages))


Tell = Callable[[Sequence[Event]], Awaitable[None]]
"""Sends events of one batch to the client; none where the provider is alive and says nothing."""


class Responding:
    """Answers requests for responses by `models`, and keeps them in `store`."""

    def __init__(self, models: Models, store: ResponseStore, limits: Limits) -> None:
        self._models = models
        self._store = store
        self._most_bytes = limits.chat_body_bytes
        self._seconds = limits.answer_seconds

    def call(self, id: str, asked: AskedResponse, owner: str) -> Call:
        """On whose behalf a request is made."""
        deadline = trio.current_time() + self._seconds
        return Call(request_id=f"req_{id}", user=asked.user or owner, deadline=deadline)

    def writer(self, id: str, asked: AskedResponse) -> ResponseWriter:
        """What makes the events of a response."""
        return ResponseWriter(asked, id=id, created=int(time.time()))

    async def resolve(
        self, asked: AskedResponse, owner: str, recent: Recent | None = None
    ) -> ResolvedRequest:
        """The request with all that it refers to.

        Raises RefusedRequest where that is not there, or too much, and StoreError.
        """
        before = ResponseHistory()
        if asked.previous:
            before = await self._before(asked.previous, owner, recent)
        if asked.references:
            left = self._most_bytes - before.size
            asked = resolved(asked, await self._items(asked.references, owner, left))
        items = dump_json(asked.items)
        if before.size + len(items) > self._most_bytes:
            raise _too_long(self._most_bytes)
        return ResolvedRequest(asked, before, owner, recent, items)

    async def stream(
        self, found: ResolvedRequest, writer: ResponseWriter, call: Call, tell: Tell
    ) -> None:
        """Answer event by event. Raises ProviderError, or another ActorError."""
        if found.asked.generate:
            async with aclosing(self._models.stream(found.request, call)) as answer:
                async for batch in answer:
                    if batch:
                        await tell(writer.take(batch))
        events = writer.close()
        response = await self._kept(found, writer)
        await tell([*events, writer.end(response)])

    async def complete(self, found: ResolvedRequest, writer: ResponseWriter, call: Call) -> bytes:
        """The whole response. Raises ProviderError, or another ActorError."""
        if found.asked.generate:
            writer.take(chunks_of(await self._models.complete(found.request, call)))
        writer.close()
        return dump_json(await self._kept(found, writer))

    async def find(self, id: str, owner: str) -> bytes:
        """A stored response. Raises RefusedRequest where there is none."""
        found = await self._store.find(id, owner=owner)
        if found is None:
            raise RefusedRequest(_not_found(id))
        return found.body

    async def delete(self, id: str, owner: str) -> bytes:
        """Forget one. Raises RefusedRequest where there is none."""
        if not await self._store.delete(id, owner=owner):
            raise RefusedRequest(_not_found(id))
        return dump_json({"id": id, "object": "response", "deleted": True})

    # --- what stands before

    async def _before(self, id: str, owner: str, recent: Recent | None) -> ResponseHistory:
        known = None if recent is None else recent.get(id)
        if known is not None:
            return known
        chain = await self._store.chain(id, owner=owner, most_bytes=self._most_bytes)
        if chain is None:
            raise RefusedRequest(_no_previous(id))
        if not chain.whole:
            raise _too_long(self._most_bytes)
        size = sum(each.size for each in chain.responses)
        return ResponseHistory(await aside(size, _said_in, chain), size)

    async def _items(self, references: Sequence[str], owner: str, left: int) -> dict[str, Any]:
        """The items of those ids, which name the responses that have them.

        Each as often as it is referred to, they are `left` bytes at most.
        """
        found: dict[str, Any] = {}
        times = Counter(references)
        for response, ids in _by_response(times).items():
            stored = await self._store.find(response, owner=owner)
            body = b"" if stored is None else stored.body
            items = await aside(len(body), _items_named, body, ids)
            for id in ids:
                if id not in items:
                    raise RefusedRequest(_no_item(id))
                left -= times[id] * len(dump_json(items[id]))
            if left < 0:
                raise _too_long(self._most_bytes)
            found |= items
        return found

    # --- what is kept

    async def _kept(self, found: ResolvedRequest, writer: ResponseWriter) -> dict[str, Any]:
        """The response, known to its connection and stored where that is asked for.

        Raises ProviderError for one that is none.
        """
        if writer.broken:
            raise ProviderError(
                kind=ErrorKind.SERVER_ERROR, message="the provider ended its answer with an error"
            )
        response = writer.response()
        if found.recent is not None:
            output = response["output"]
            said = read_items(BodyReader(), output, "output")
            messages = (*found.before.messages, *found.asked.request.messages, *said)
            size = found.before.size + len(found.items) + len(dump_json(output))
            found.recent.put(writer.id, ResponseHistory(messages, size))
        if found.asked.store:
            kept = StoredResponse(
                id=writer.id,
                owner=found.owner,
                previous=found.asked.previous,
                at=time.time(),
                input=found.items,
                body=dump_json({**response, **_NOT_KEPT}),
            )
            try:
                await self._store.put(kept)
            except ActorError as error:
                log.warning("response not kept", response=writer.id, error=str(error))
                response["store"] = False
        return response


def _said_in(chain: Chain) -> tuple[Message, ...]:
    items = [item for each in chain.responses for item in _items_of(each)]
    return read_items(BodyReader(), items, "input")


def _items_of(stored: StoredResponse) -> list[Any]:
    return [*orjson.loads(stored.input), *orjson.loads(stored.body)["output"]]


def _items_named(body: bytes, ids: set[str]) -> dict[str, Any]:
    output = orjson.loads(body)["output"] if body else ()
    return {item["id"]: item for item in output if item.get("id") in ids}


def _by_response(ids: Iterable[str]) -> dict[str, set[str]]:
    """The ids of items by those of their responses. Raises RefusedRequest for what is none."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for id in ids:
        named = _ITEM.fullmatch(id)
        if named is None:
            raise RefusedRequest(_no_item(id))
        found[f"resp_{named[1]}"].add(id)
    return found


def _no_previous(id: str) -> ApiFault:
    return ApiFault(
        status=400,
        message=f"there is no response {id!r} to go on from, or it was not stored, or too long "
        "ago; send the whole conversation in input, without previous_response_id",
        code="previous_response_not_found",
        param="previous_response_id",
    )


def _no_item(id: str) -> ApiFault:
    return ApiFault(
        status=404,
        message=f"there is no item {id[:80]!r}, or its response was not stored, or too long ago; "
        "send the item itself",
        code="item_not_found",
        param="input",
    )


def _not_found(id: str) -> ApiFault:
    message = f"there is no response {id[:80]!r}, or it was not stored, or too long ago"
    return ApiFault(status=404, message=message, code="response_not_found")


def _too_long(most: int) -> RefusedRequest:
    return RefusedRequest(
        ApiFault(
            status=400,
            message=f"the conversation is larger than {most} bytes; begin another one",
            code="context_length_exceeded",
            param="input",
        )
    )
