"""A storm of crashes, stops and cancels over a tree; what must hold holds throughout."""

import functools
import random
from math import inf

import attrs
import pytest
import trio

from tests.fakes.players import Crash, Finish, Hang, Life, Note, Notes, Play, Player
from trouper.runtime import (
    ActorError,
    Backoff,
    Children,
    ChildSpec,
    Ref,
    SupervisorGaveUp,
    System,
    dynamic,
    supervisor,
)
from trouper.runtime.events import RuntimeEvent, Unkillable
from trouper.runtime.spec import StrategyName

STEPS = 300
GROUPS: dict[str, StrategyName] = {
    "all": "one_for_all",
    "rest": "rest_for_one",
    "one": "one_for_one",
}

PlayerMessage = Life | Note | Notes | Crash | Hang | Finish
PlayerRef = Ref[PlayerMessage]


@attrs.define(eq=False)
class Storm(Play):
    """Looks at each start whether those that build on it are down."""

    out_of_order: list[str] = attrs.field(factory=list)
    unkillable: set[str] = attrs.field(factory=set)

    def observe(self, event: RuntimeEvent) -> None:
        if isinstance(event, Unkillable):
            self.unkillable.add(event.path.rpartition("/")[2])

    def write(self, line: str) -> None:
        name, _, what = line.partition(" ")
        group, _, number = name.partition("-")
        if what == "starts" and group in ("all", "rest"):
            later = {f"{group}-{n}" for n in range(int(number) + 1, 4)} & self.alive
            # Those that cannot be killed hold up nobody, and come back late.
            if later - self.unkillable and name not in self.unkillable:
                self.out_of_order.append(f"{name} started under {sorted(later)}")


def tree(play: Storm, dice: random.Random) -> list[ChildSpec]:
    """Three groups, one in another, and children on demand, all quick to come back."""

    def part(name: str) -> ChildSpec:
        return play.part(
            name,
            restart=dice.choice(["permanent", "permanent", "transient", "temporary"]),
            shutdown=dice.choice([0, 1, 5]),
            backoff=Backoff(initial=0.1, maximum=dice.choice([0.1, 2]), reset_after=5),
            while_down=dice.choice(["queue", "reject"]),
            poison=dice.choice([0, 3]),
        )

    def group(name: str, *more: ChildSpec) -> ChildSpec:
        parts = [part(f"{name}-{number}") for number in range(4)]
        return supervisor(
            name,
            *parts,
            *more,
            strategy=GROUPS[name],
            intensity=dice.choice([2, 5, 20]),
            backoff=Backoff(initial=0.1, maximum=1),
        )

    many = dynamic(
        "many",
        functools.partial(Player, play=play),
        restart=dice.choice(["permanent", "transient", "temporary"]),
        max_children=6,
        shutdown=2,
        intensity=3,
    )
    return [group("all", group("one")), many, group("rest")]


@attrs.define(eq=False)
class Weather:
    """Random deeds; each ask must end, and is counted."""

    dice: random.Random
    play: Storm
    system: System
    asked: int = 0
    ended: int = 0

    def anyone(self) -> PlayerRef | None:
        """A ref to any player, up or down."""
        paths = [a.path for a in self.system.snapshot() if "-" in a.path]
        return self.system.ref(self.dice.choice(paths), Player) if paths else None

    async def ask(self, ref: PlayerRef, question: Life | Hang, patience: float) -> None:
        self.asked += 1
        try:
            with trio.move_on_after(patience):
                await ref.ask(question, timeout=inf)
        except ActorError:
            pass
        finally:
            self.ended += 1

    async def start(self, children: Children[PlayerMessage], patience: float) -> None:
        number = self.dice.randrange(8)
        try:
            with trio.move_on_after(patience):
                await children.start(str(number), f"many-{number}")
        except ActorError:
            pass

    def blow(self, nursery: trio.Nursery) -> None:
        """Do one thing."""
        dice, children = self.dice, self.system.children("many", Player)
        ref = self.anyone()
        patience = dice.choice([0.0, 0.5, 3.0, inf])
        if ref is None:
            return
        try:
            match dice.randrange(10):
                case 0 | 1:
                    ref.tell(Crash(dice.choice([ValueError, KeyError])()))
                case 2:
                    ref.tell(Finish())
                case 3:
                    ref.tell(Hang(dice.random() * 4, shielded=dice.random() < 0.2))
                case 4:
                    nursery.start_soon(self.ask, ref, Hang(dice.random() * 9), patience)
                case 5 | 6:
                    nursery.start_soon(self.ask, ref, Life(), patience)
                case 7:
                    nursery.start_soon(self.start, children, patience)
                case 8:
                    nursery.start_soon(children.stop, str(dice.randrange(8)))
                case _:
                    name = ref._cell.path.rpartition("/")[2]
                    starts: list[OSError | float] = [OSError("no"), 0.5, 2.0]
                    self.play.plan(name, dice.choice(starts))
        except ActorError:
            pass


async def until_it_falls(weather: Weather, system: System) -> None:
    """Some hundred deeds, and then one of the ways to leave."""
    async with trio.open_nursery() as nursery:
        for _ in range(STEPS):
            weather.blow(nursery)
            await trio.sleep(weather.dice.choice([0, 0, 0.01, 0.3]))
        if weather.dice.random() < 0.5:
            system.stop()
            await system.stopped()
    match weather.dice.randrange(3):
        case 0:
            raise KeyError("the block's own")
        case 1:
            await trio.sleep_forever()
        case _:
            pass


@pytest.mark.parametrize("seed", range(60))
async def test_what_must_hold_holds_in_a_storm(
    seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    dice = random.Random(seed)
    play = Storm()
    system = System(*tree(play, dice), intensity=50, chance=dice.random, observer=play.observe)
    weather = Weather(dice, play, system)
    tasks = trio.lowlevel.current_statistics().tasks_living

    with trio.move_on_after(200):
        try:
            async with system:
                await until_it_falls(weather, system)
        except (SupervisorGaveUp, KeyError):
            pass

    assert play.twice == set()
    assert play.out_of_order == []
    assert play.alive == set()
    assert weather.ended == weather.asked > 0
    assert {actor.state for actor in system.snapshot()} == {"stopped"}
    assert trio.lowlevel.current_statistics().tasks_living == tasks
