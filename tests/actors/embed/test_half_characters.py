"""Half a character (a lone surrogate) in what a program hands over: no file takes it."""

from pathlib import Path

import attrs
import pytest

from tests.fakes.embedded import embedded
from tests.fakes.simulator import SimulatorProcess
from trouper.actors import App, open_app
from trouper.actors.chat import ChatRequest, Message, TextPart
from trouper.actors.errors import ErrorKind, ProviderError, SessionError, UnknownSession

CUT = "\ud83d"


async def test_half_a_character_in_a_prompt_was_told_as_a_disk_that_does_not_write(
    simulator: SimulatorProcess, tmp_path: Path
) -> None:
    config = embedded(simulator)
    config = attrs.evolve(config, store=attrs.evolve(config.store, path=str(tmp_path / "kept.db")))
    async with open_app(config, signals=False) as app:
        session = await app.session("ann")

        assert await session.ask(f"cut {CUT}") == "You said: cut \ufffd"
        assert await session.ask((TextPart(f"whole {CUT}\ude00"),)) == "You said: whole \U0001f600"
        await session.rename(f"cut {CUT}")

        assert (await session.transcript()).state.title == "cut \ufffd"
        await _refuses_names(app)


async def _refuses_names(app: App) -> None:
    for id, user in ((CUT, ""), ("bob", CUT)):
        with pytest.raises(
            SessionError, match=r"'\\ud83d' has half a character .*backslashreplace"
        ):
            await app.session(id, user=user)
        request = ChatRequest(model="", messages=(Message("user", (TextPart("hi"),)),))
        with pytest.raises(ProviderError, match="has half a character") as caught:
            await app.complete(request, session=id, user=user)
        assert caught.value.kind is ErrorKind.INVALID_REQUEST
        with pytest.raises(UnknownSession):
            await app.end_session(id, user=user)
