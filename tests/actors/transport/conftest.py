"""Transports that are closed when their test is over, and that no proxy of the environment gets at."""

from collections.abc import AsyncGenerator, Callable

import pytest

from trouper.actors.transport import TrioTransport

OpenTransport = Callable[..., TrioTransport]


@pytest.fixture
async def open_transport() -> AsyncGenerator[OpenTransport, None]:
    """Makes transports with the options that a test needs."""
    opened: list[TrioTransport] = []

    def open_one(*, trust_env: bool = False, **options: object) -> TrioTransport:
        opened.append(TrioTransport(trust_env=trust_env, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for transport in opened:
        await transport.aclose()


@pytest.fixture
async def transport(open_transport: OpenTransport) -> TrioTransport:
    """A transport with the defaults."""
    return open_transport()
