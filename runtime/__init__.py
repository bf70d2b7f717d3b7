"""A general actor runtime on trio: supervised actors that exchange typed messages.

Read in this order: errors, messages, replies, mailbox, cell, cycles, ref, injected,
dynamic_children, actor, restarts, spec, life, actor_tasks, driving, actor_life,
children, dynamic_supervisor, static_supervisor, signals, system. What users test
with is in testing; how asyncio and plain threads run actors beside them, in portal.
"""

from .actor import Actor, on
from .dynamic_children import Children
from .errors import (
    ActorCrashed,
    ActorDown,
    ActorError,
    ActorUnavailable,
    AskCycle,
    AskTimeout,
    ChildExists,
    MailboxFull,
    Reject,
    SpecError,
    StartFailed,
    StartTimeout,
    SupervisorGaveUp,
    TooManyChildren,
    TrouperError,
)
from .inspection import ActorSnapshot
from .mailbox import DeadReason, Mailbox
from .messages import Request, Streams
from .ref import Down, Ref
from .replies import Sink, Stream
from .restarts import Backoff
from .spec import ChildSpec, child, dynamic, supervisor
from .system import System

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorDown",
    "ActorError",
    "ActorSnapshot",
    "ActorUnavailable",
    "AskCycle",
    "AskTimeout",
    "Backoff",
    "ChildExists",
    "ChildSpec",
    "Children",
    "DeadReason",
    "Down",
    "Mailbox",
    "MailboxFull",
    "Ref",
    "Reject",
    "Request",
    "Sink",
    "SpecError",
    "StartFailed",
    "StartTimeout",
    "Stream",
    "Streams",
    "SupervisorGaveUp",
    "System",
    "TooManyChildren",
    "TrouperError",
    "child",
    "dynamic",
    "on",
    "supervisor",
]
