"""What a person may do to actors that run: restart, stop, drain, suspend and resume them, and
send a message once more that was not handled.

A supervisor does it between two judgements, as it does what follows a crash;
it counts as no crash. What an actor has in hand comes to its end, within the
child's shutdown seconds.
"""

import attrs

from .actor_tasks import ActorTasks
from .cell import Cell, Door, Environment
from .children import SupervisingLife
from .errors import ActorDown, MailboxFull, SpecError
from .events import DeadLetter
from .life import Leave

__all__ = ["Effect", "Operator"]


@attrs.frozen
class Effect:
    """What an order does besides.

    `also` are the siblings that go along, by path; `in_hand` and `waiting` are how many
    messages are being handled and wait, those of the actors below included.
    """

    also: tuple[str, ...]
    in_hand: int
    waiting: int


class Operator:
    """Gives orders to the supervisors of one system. Made by `System.operator`.

    All raise SpecError where nobody is at the path, or where what is there
    cannot do that, and ActorDown where its supervisor is stopping.
    """

    def __init__(self, env: Environment, root: SupervisingLife) -> None:
        self._env = env
        self._root = root

    def life(self, path: str) -> int:
        """Which of its lives runs, from 1: who looks before acting says what was seen."""
        return self._env.cell(path).lives

    def effect(self, path: str, *, restart: bool) -> Effect:
        """What a restart of the actor at `path` would do besides; its stop, without `restart`."""
        supervisor, id = self._of(path)
        also = supervisor.along(id) if restart else ()
        below = tuple(f"{each}/" for each in (path, *also))
        in_hand = waiting = 0
        for cell in self._env.cells.values():
            if cell.path == path or cell.path in also or cell.path.startswith(below):
                in_hand += (cell.current is not None) + len(cell.in_flight or ())
                waiting += cell.waiting().depth
        return Effect(also, in_hand, waiting)

    async def restart(self, path: str) -> None:
        """End its life and begin another one, with what waits in the mailbox.

        By the strategy of its supervisor siblings go along. One that backs off
        begins at once; one that has stopped comes back. Returns when the old
        life has ended.
        """
        supervisor, id = self._of(path)
        await supervisor.restart_child(id)

    async def stop(self, path: str) -> None:
        """End it after the message in hand, for good: what waits is refused."""
        supervisor, id = self._of(path)
        await supervisor.end_child(id, Leave.AFTER_THIS)

    async def drain(self, path: str) -> None:
        """End it for good once all that waits is handled; nothing new is let in meanwhile."""
        supervisor, id = self._of(path)
        await supervisor.end_child(id, Leave.WHEN_DRAINED)

    def suspend(self, path: str) -> None:
        """Let it read no further message until `resume`, or its next life. What waits, waits.

        Raises ActorDown where it is not running.
        """
        cell = self._env.cell(path)
        if not self._reader(cell).suspend():
            raise ActorDown(path, "it is not running, so there is nothing to suspend")

    def resume(self, path: str) -> None:
        """Undo `suspend`; nothing where it is not suspended."""
        self._reader(self._env.cell(path)).resume()

    def resend(self, number: int) -> DeadLetter:
        """Send the message of dead letter `number` once more, to whoever lives at its path now.

        Raises SpecError where it is not kept any more, has been sent again already, or nobody is
        at its path; the error that an asker would see where the actor takes nothing; and
        MailboxFull, also where its mailbox would drop something instead. The letter stays as it
        is then. A message that crashes its actor crashes it again.
        """
        letter = self._env.reports.letter(number)
        if letter is None:
            raise SpecError(f"no dead letter {number} is kept; the last ones are")
        if letter.resent:
            raise SpecError(f"dead letter {number} has been sent again already; look for another")
        cell = self._env.cell(letter.path)
        if cell.door is not Door.OPEN:
            raise cell.refusal()
        statistics = cell.receiving.statistics()
        if statistics.current_buffer_used >= statistics.max_buffer_size:
            raise MailboxFull(cell.path, cell.mailbox.capacity)
        cell.put(letter.message, None)
        self._env.reports.was_resent(letter)
        return letter

    def _reader(self, cell: Cell) -> ActorTasks:
        if not isinstance(cell.life, ActorTasks):
            raise SpecError(
                f"{cell.path} is a {cell.kind}, which reads no messages: it cannot be suspended"
            )
        return cell.life

    def _of(self, path: str) -> tuple[SupervisingLife, str]:
        self._env.cell(path)
        parent, _, id = path.rpartition("/")
        life = self._env.cell(parent).life if parent else self._root
        if not isinstance(life, SupervisingLife) or life.exit is not None:
            raise ActorDown(parent, "the supervisor is not running")
        return life, id
