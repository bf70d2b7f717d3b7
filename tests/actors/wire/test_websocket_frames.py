"""Messages as frames: what a websocket's client makes of them."""

from typing import Any

import pytest
from hypothesis import given, strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, TextMessage

from trouper.actors.wire.websocket_frames import server_frames

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def read(frames: bytes) -> list[Any]:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(frames)
    messages: list[Any] = []
    pieces: list[Any] = []
    for event in client.events():
        assert isinstance(event, TextMessage | BytesMessage)
        pieces.append(event.data)
        if event.message_finished:
            messages.append(type(event.data)().join(pieces))
            pieces = []

    assert not pieces
    return messages


@given(st.lists(TEXTS | st.binary()))
def test_a_client_reads_the_messages_that_were_sent(messages: list[str | bytes]) -> None:
    assert read(server_frames(messages)) == messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_message_of_any_length_is_one_frame(size: int) -> None:
    assert read(server_frames(["x" * size, "and on"])) == ["x" * size, "and on"]
