"""What an operator can do, and the record of it.

Every action is written down, also those that were refused: a log line, an event
and a line in the audit file. Who may do what is decided here and nowhere else.
An action names the life that its operator saw; where the actor has begun
another one since, it is refused as stale, so that a click on an old picture
does not restart what has recovered meanwhile.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
import trio

from ...runtime import ActorError, SpecError, System
from ..config import AppConfig
from ..gate.circuit import Circuit
from ..gate.circuit_messages import Reset, Trip
from ..gate.limiter import Limiter
from ..gate.limiter_messages import SetLimits
from ..policy.bucket import RateLimits
from ..redaction import printable, redact_text
from .events import EventLog
from .files import Lines
from .injection import message_of
from .log_level import LogLevel
from .peer import Peer
from .protocol import ACTIONS, Act, BadRequest, allows
from .use import Use

__all__ = ["Actions"]

_log = structlog.get_logger("trouper.console")

# Seconds. What takes longer goes on; the operator sees in the tree how it ends.
_PATIENCE = 30.0
_ASK = 3.0

_LIMITS = (
    "requests_per_minute",
    "tokens_per_minute",
    "input_tokens_per_minute",
    "output_tokens_per_minute",
)

Effect = dict[str, Any]


class Actions:
    """Does what operators ask for. `lines` is the audit file; `inject` whether messages may be sent."""

    def __init__(
        self,
        system: System,
        config: AppConfig,
        events: EventLog,
        lines: Lines,
        use: Use,
        *,
        inject: bool = False,
    ) -> None:
        self._system = system
        self._config = config
        self._events = events
        self._lines = lines
        self._use = use
        self._inject = inject
        self.log_level = LogLevel(lambda: system.acting)
        self._done: dict[str, Callable[[Act], Awaitable[Effect]]] = {
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
        """Do it and write it down; what it does besides. Raises BadRequest, written down as well."""
        try:
            self._check(act, peer)
            effect: Effect = {"note": f"it takes longer than {_PATIENCE:g} s and goes on"}
            with trio.move_on_after(_PATIENCE):
                effect = await self._done[act.act](act)
        except BadRequest as refused:
            self._write(act, peer, refused.code, refused.message)
            raise
        except (ActorError, SpecError, ValueError) as error:
            self._write(act, peer, "refused", str(error))
            raise BadRequest("refused", str(error), act.id) from error
        if not act.dry:
            self._write(act, peer, "done", "")
        return effect

    def _check(self, act: Act, peer: Peer) -> None:
        least = ACTIONS[act.act]
        if peer.role == "read":
            raise BadRequest("read_only", "this console is read-only", act.id)
        if not allows(peer.role, least):
            said = f"{act.act} needs the role {least}, and this console has {peer.role}"
            raise BadRequest("denied", said, act.id)
        if act.act == "send" and not self._inject:
            raise BadRequest(
                "denied",
                "sending messages is switched off; [console] inject = true allows it",
                act.id,
            )
        if act.act == "loglevel" and not act.path:
            return
        if self._system.inspector.shape(act.path) is None:
            raise BadRequest("not_found", f"no actor at {act.path[:200]!r}", act.id)
        life = self._system.operator.life(act.path)
        if act.gen is not None and act.gen != life:
            said = f"{act.path} is in its life {life}, and you saw {act.gen}: look again"
            raise BadRequest("stale", said, act.id)

    def _write(self, act: Act, peer: Peer, result: str, why: str) -> None:
        self._use.actions[act.act, result] += 1
        # Who mistakes one field for another writes a secret into any of them.
        reason, path = (printable(redact_text(text)) for text in (act.reason, act.path))
        fields: dict[str, Any] = {
            "act": act.act,
            "path": path,
            "by": peer.by,
            "via": peer.via,
            "reason": reason,
            "args": redact_text(printable(str(dict(act.args))))[:500] if act.args else "",
            "result": result,
            "why": why,
        }
        self.audit("console action", fields)
        by = f"{act.act} by {peer.by}" + (f": {reason}" if reason else "")
        ended = by if result == "done" else f"{by}; {result}: {redact_text(why)}"
        self._events.note("info" if result == "done" else "warning", "console action", path, ended)

    def audit(self, what: str, fields: Mapping[str, Any]) -> None:
        """Write down what an operator has done or seen."""
        said = {
            key: redact_text(value) if isinstance(value, str) else value
            for key, value in fields.items()
            if value not in ("", None)
        }
        _log.warning(what, **said)
        self._lines.add({"at": round(time.time(), 3), "msg": what, **said})

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
            raise BadRequest("not_found", said, act.id)
        if letter.path != act.path or letter.resent:
            was = "has been sent again already" if letter.resent else f"was for {letter.path}"
            said = f"dead letter {number} {was}: look again"
            raise BadRequest("stale", said, act.id)
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
