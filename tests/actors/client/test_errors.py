"""What a person is told where no conversation came about."""

import pytest

from trouper.actors.client.errors import rejected

ADDRESS = "ws://localhost:8700/acp"


def test_the_words_of_a_server_are_told() -> None:
    body = b'{"error": {"message": "your token has been taken back"}}'

    assert str(rejected(ADDRESS, 401, body)) == (
        f"the server at {ADDRESS} wants a valid token: your token has been taken back"
    )


@pytest.mark.parametrize(
    "body", [None, b"", b"<html>", b"\xff", b"7", b'{"error": 7}', b"[" * 900, b"[" * 100_000]
)
def test_whatever_a_stranger_answers_is_a_server_that_is_none_of_ours(body: bytes | None) -> None:
    # The bug: lists within lists ended the program by a RecursionError.
    error = rejected(ADDRESS, 404, body)

    assert error.status == 404
    assert str(error) == (
        f"what answers at {ADDRESS} is no trouper server: it answers with HTTP status 404; "
        f"check the address"
    )
