"""What an operator can do.

Every action is written down, also those that were refused (audit.py). Who may
do what is decided here and nowhere else. An action names the life that its
operator saw; where the actor has begun another one since, it is refused as
stale, so that a click on an old picture does not restart what has recovered
meanwhile.

Before you edit: an action is carried out in the console's nursery and not in
that of its client, or who leaves at once would end it halfway, unrecorded.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import structlog
import trio

from ...runtime import ActorError, SpecError, System
from ..config import AppConfig
from ..gate.circuit import Circuit
from ..gate.circuit_messages import Reset, Trip
from ..gate.limiter import Limiter
from ..gate.limiter_messages import SetLimits
from ..policy.bucket import RateLimits
from .audit import BEGUN, DONE, FAILED, Audit
from .events import shown_error
from .injection import message_of
from .log_level import LogLevel
from .peer import Peer
from .protocol import ACTIONS, Act, ConsoleFault, allows

__all__ = ["CONSOLE", "Actions"]

CONSOLE: Final = "console"
"""Where we stand ourselves."""

_log = structlog.get_logger("trouper.console")

# Seconds, less than a command's own patience. What takes longer goes on: the tree shows how it
# ends, and the record says it.
_PATIENCE = 10.0
_ASK = 3.0
# Seconds for an answer to go out, where what answers is about to end.
_LAST_WORD = 0.1

# Actions under way. Some hang, each for as long as an actor may take to stop.
_MOST = 64

_LIMITS = (
    "requests_per_minute",
    "tokens_per_minute",
    "input_tokens_per_minute",
    "output_tokens_per_minute",
)

_LONGER = f"it takes longer than {_PATIENCE:g} s and goes on"

Effect = dict[str, Any]


@attrs.define(eq=False)
class _Deed:
    """An action under way, as who waits for it sees it."""

    ended: trio.Event = attrs.field(factory=trio.Event)
    effect: Effect = attrs.field(factory=dict[str, Any])
    error: ConsoleFault | None = None
    begun: bool = False
    """Whether it is written down as begun: nobody waits for its end any more."""


class Actions:
    """Does what operators ask for, in `nursery`; `inject` says whether messages may be sent."""

    def __init__(
        self,
        system: System,
        config: AppConfig,
        audit: Audit,
        nursery: trio.Nursery,
        *,
        inject: bool = False,
    ) -> None:
        self._system = system
        self._config = config
        self.audit = audit
        self._nursery = nursery
        self._under_way = 0
        self._inject = inject
        self.log_level = LogLevel(lambda: system.acting)
        self._deeds: dict[str, Callable[[Act], Awaitable[Effect]]] = {
            "restart": self._restart,
            "stop": self._stop,
            "drain": self._drain,
            "suspend": self._suspend,
            "resume": self._resume,
            "trip": self._trip,
            "reset": self._reset,
            "limit": self._limit,
            "resend": self._resend,
            "loglevel": self._loglevel,
            "send": self._send,
        }

    def allowed(self, peer: Peer) -> list[str]:
        """The actions that this peer may do."""
        return [
            act
            for act, least in ACTIONS.items()
            if allows(peer.role, least) and (act != "send" or self._inject)
        ]

    async def do(self, act: Act, peer: Peer) -> Effect:
        """Do it and write it down; what it does besides. Raises ConsoleFault, written down as well.

        Who is cancelled here leaves the action to its end. One that takes long is
        answered with a `note`.
        """
        try:
            self._check(act, peer)
        except ConsoleFault as refused:
            self.audit.acted(act, peer, refused.code, refused.message)
            raise
        deed = _Deed()
        self._under_way += 1
        self._nursery.start_soon(self._carry_out, act, peer, deed)
        ends_us = not act.dry and act.act == "restart" and _is_ours(act.path)
        with trio.move_on_after(0.0 if ends_us else _PATIENCE):
            await deed.ended.wait()
        if not deed.ended.is_set():
            note = "this console ends with it: connect again" if ends_us else _LONGER
            deed.begun = True
            self.audit.acted(act, peer, BEGUN, note)
            return {"note": note}
        if deed.error is not None:
            raise deed.error
        return deed.effect

    async def _carry_out(self, act: Act, peer: Peer, deed: _Deed) -> None:
        result, why = BEGUN, "the console ended before it did"
        try:
            if not act.dry and _is_ours(act.path):
                await trio.sleep(_LAST_WORD)
            deed.effect = await self._deeds[act.act](act)
            result, why = DONE, ""
        except ConsoleFault as refused:
            deed.error, result, why = refused, refused.code, refused.message
        except (ActorError, SpecError, ValueError) as error:
            deed.error = ConsoleFault("refused", str(error), act.id)
            result, why = "refused", str(error)
        except Exception as error:  # noqa: BLE001 - of one action; it must not end the console
            _log.exception("console action failed", act=act.act, path=act.path)
            result, why = FAILED, shown_error(error)
            deed.error = ConsoleFault("refused", f"a fault of the console: {why}", act.id)
        finally:
            self._under_way -= 1
            seen = act.dry and result in (DONE, BEGUN)
            if not seen and not (result == BEGUN and deed.begun):
                self.audit.acted(act, peer, result, why)
            deed.ended.set()

    def _check(self, act: Act, peer: Peer) -> None:
        least = ACTIONS[act.act]
        if peer.role == "read":
            raise ConsoleFault("read_only", "this console is read-only", act.id)
        if not allows(peer.role, least):
            said = f"{act.act} needs the role {least}, and this console has {peer.role}"
            raise ConsoleFault("denied", said, act.id)
        if act.act == "send" and not self._inject:
            raise ConsoleFault(
                "denied",
                "sending messages is switched off; [console] inject = true allows it",
                act.id,
            )
        if self._under_way >= _MOST:
            raise ConsoleFault(
                "busy", f"{_MOST} actions are under way; wait for one to end", act.id
            )
        if act.act == "loglevel" and not act.path:
            return
        if self._system.inspector.shape(act.path) is None:
            raise ConsoleFault("not_found", f"no actor at {act.path[:200]!r}", act.id)
        if act.act in ("stop", "drain") and _is_ours(act.path):
            said = (
                "the console does not end itself: nobody could ask it to come back; "
                "restart it, or switch it off in the configuration ([console] socket, web)"
            )
            raise ConsoleFault("refused", said, act.id)
        life = self._system.operator.life(act.path)
        if act.gen is not None and act.gen != life:
            said = f"{act.path} is in its life {life}, and you saw {act.gen}: look again"
            raise ConsoleFault("stale", said, act.id)

    # Actors.

    def _effect(self, act: Act, *, restart: bool = False) -> Effect:
        effect = self._system.operator.effect(act.path, restart=restart)
        return {
            "gen": self._system.operator.life(act.path),
            "also": effect.also,
            "in_hand": effect.in_hand,
            "waiting": effect.waiting,
        }

    async def _restart(self, act: Act) -> Effect:
        effect = self._effect(act, restart=True)
        if not act.dry:
            await self._system.operator.restart(act.path)
        return effect

    async def _stop(self, act: Act) -> Effect:
        effect = self._effect(act)
        if not act.dry:
            await self._system.operator.stop(act.path)
        return effect

    async def _drain(self, act: Act) -> Effect:
        effect = self._effect(act)
        if not act.dry:
            await self._system.operator.drain(act.path)
        return effect

    async def _suspend(self, act: Act) -> Effect:
        effect = self._effect(act)
        if not act.dry:
            self._system.operator.suspend(act.path)
        return effect

    async def _resume(self, act: Act) -> Effect:
        effect = self._effect(act)
        if not act.dry:
            self._system.operator.resume(act.path)
        return effect

    # Messages.

    async def _resend(self, act: Act) -> Effect:
        number = act.args.get("n")
        letters = {letter.number: letter for letter in self._system.dead_letters}
        letter = letters.get(number) if type(number) is int else None
        if letter is None:
            said = "n must be the number of a dead letter that is kept: one of the last 256"
            raise ConsoleFault("not_found", said, act.id)
        if letter.path != act.path or letter.resent:
            was = "has been sent again already" if letter.resent else f"was for {letter.path}"
            said = f"dead letter {number} {was}: look again"
            raise ConsoleFault("stale", said, act.id)
        effect = self._effect(act) | {"message": type(letter.message).__name__}
        if not act.dry:
            self._system.operator.resend(letter.number)
        return effect

    async def _send(self, act: Act) -> Effect:
        actor = self._system.inspector.actor(act.path)
        if actor is None:
            raise ValueError(f"{act.path} takes no messages")
        message = message_of(type(actor), act.args)
        if not act.dry:
            self._system.ref(act.path, type(actor)).tell(message)
        return {"message": type(message).__name__}

    # Gates.

    async def _trip(self, act: Act) -> Effect:
        circuit = self._system.ref(act.path, Circuit)
        seconds = act.args.get("seconds")
        if seconds is not None and not (type(seconds) in (int, float) and 0 < seconds <= 86_400):
            raise ValueError("seconds must be a number above 0 and up to 86400")
        if act.dry:
            return {}
        trip = Trip(act.reason or "by an operator") if seconds is None else None
        trip = trip or Trip(act.reason or "by an operator", float(seconds or 0))
        return {"state": (await circuit.ask(trip, timeout=_ASK)).state}

    async def _reset(self, act: Act) -> Effect:
        circuit = self._system.ref(act.path, Circuit)
        if act.dry:
            return {}
        return {"state": (await circuit.ask(Reset(), timeout=_ASK)).state}

    async def _limit(self, act: Act) -> Effect:
        limiter = self._system.ref(act.path, Limiter)
        provider = self._config.providers[act.path.split("/")[1]]
        if provider.limits == RateLimits():
            raise ValueError(
                f"provider {provider.name} has no limits, so its calls pass no limiter; "
                "give it one in the configuration"
            )
        unknown = set(act.args) - set(_LIMITS)
        if unknown or not act.args:
            raise ValueError(f"a limit is one of {', '.join(_LIMITS)}, with a number")
        limits = {name: getattr(provider.limits, name) for name in _LIMITS}
        for name, value in act.args.items():
            if value is not None and not (type(value) in (int, float) and value > 0):
                raise ValueError(f"{name} must be a number above 0, or null for no limit")
            limits[name] = value
        effect: Effect = {"limits": limits}
        if not act.dry:
            wanted = RateLimits(burst=provider.limits.burst, **limits)
            await limiter.ask(SetLimits(wanted), timeout=_ASK)
        return effect

    # The program.

    async def _loglevel(self, act: Act) -> Effect:
        level, seconds = act.args.get("level"), act.args.get("seconds", 600)
        if not isinstance(level, str):
            raise ValueError("level must be a word")  # noqa: TRY004 - what an operator has written
        if not (type(seconds) in (int, float) and 0 < seconds <= 86_400):
            raise ValueError("seconds must be a number above 0 and up to 86400")
        return self.log_level.change(level, float(seconds), path=act.path, dry=act.dry)


def _is_ours(path: str) -> bool:
    return path.split("/", 1)[0] == CONSOLE
