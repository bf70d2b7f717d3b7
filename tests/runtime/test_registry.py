"""Names and groups, forgotten with those who have them."""

import pytest
import trio

from tests.fakes.players import Crash, Finish, Life, Play, Player, eventually
from trouper.runtime import Backoff, SpecError, System, dynamic

AT_ONCE = Backoff(initial=0, maximum=0, jitter=0)


@pytest.fixture
def play() -> Play:
    return Play()


async def test_a_name_is_one_actors_until_it_stops(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    parts = [play.part(name, restart="transient", backoff=AT_ONCE) for name in "ab"]
    async with System(*parts) as system:
        registry, a, b = system.registry, system.ref("a", Player), system.ref("b", Player)
        registry.register("star", a)
        registry.register("star", a)
        with pytest.raises(SpecError, match="the name 'star' is taken by a"):
            registry.register("star", b)
        a.tell(Crash())
        assert await a.ask(Life()) == 2
        assert registry.named("star") == a
        a.tell(Finish())
        await eventually(lambda: registry.named("star") is None)
        registry.register("star", b)

        assert registry.named("star") == b


async def test_a_name_may_be_given_up(play: Play) -> None:
    async with System(play.part("a"), play.part("b")) as system:
        registry, a, b = system.registry, system.ref("a", Player), system.ref("b", Player)
        registry.register(("user", 1), a)
        registry.unregister(("user", 1), b)
        assert registry.named(("user", 1)) == a
        registry.unregister(("user", 1), a)
        registry.register(("user", 1), b)

        assert registry.named(("user", 1)) == b
        assert not a._cell.watchers


async def test_a_group_has_members_with_a_value_in_the_order_they_joined(play: Play) -> None:
    async with System(dynamic("many", Player)) as system:
        registry, children = system.registry, system.children("many", Player)
        a = await children.start("a", "a", play)
        b = await children.start("b", "b", play)
        registry.join("chorus", a, "alto")
        registry.join("chorus", b, "bass")
        registry.join("chorus", a, "soprano")
        assert list(registry.members("chorus").items()) == [(a, "soprano"), (b, "bass")]
        registry.leave("chorus", a)
        registry.leave("chorus", a)
        registry.leave("nobody", a)
        assert registry.members("chorus") == {b: "bass"}
        assert not a._cell.watchers
        await children.stop("b")

        assert registry.members("chorus") == {}
        assert registry._groups == {}


async def test_members_are_a_copy(play: Play) -> None:
    async with System(play.part("a")) as system:
        ref = system.ref("a", Player)
        system.registry.join("chorus", ref)
        for member in system.registry.members("chorus"):
            system.registry.leave("chorus", member)

        assert system.registry.members("chorus") == {}


async def test_who_has_stopped_gets_no_name(
    play: Play, autojump_clock: trio.testing.MockClock
) -> None:
    async with System(play.part("a", restart="temporary")) as system:
        ref = system.ref("a", Player)
        ref.tell(Finish())
        await trio.sleep(1)
        system.registry.register("star", ref)
        system.registry.join("chorus", ref)

        assert system.registry.named("star") is None
        assert system.registry.members("chorus") == {}
