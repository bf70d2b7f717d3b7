"""Errors say what happened to whom, and survive being copied and pickled."""

import copy
import math
import pickle

import pytest

from trouper.runtime import (
    ActorCrashed,
    ActorDown,
    ActorError,
    ActorUnavailable,
    AskCycle,
    AskTimeout,
    ChildExists,
    MailboxFull,
    Reject,
    Request,
    SpecError,
    StartFailed,
    StartTimeout,
    Streams,
    SupervisorGaveUp,
    TooManyChildren,
    TrouperError,
)

ERRORS = {
    "why not": Reject("why not"),
    "a: no answer within 2.5 s": AskTimeout("a", 2.5),
    "a: the ask would wait for itself (a -> b -> a); use tell, or a task handler on one of them": (
        AskCycle(("a", "b", "a"))
    ),
    "a: its mailbox holds 3 messages already; use send to wait for room": MailboxFull("a", 3),
    "a: it was stopped": ActorDown("a", "it was stopped"),
    "a: it is restarting; try again a little later": ActorUnavailable("a", 12.5),
    "a: it crashed": ActorCrashed("a", "it crashed"),
    "a: it did not start": StartFailed("a", "it did not start"),
    "a: not ready within 3 s": StartTimeout("a", "not ready within 3 s"),
    "a: there is a child of this id already": ChildExists("a"),
    "a: it has 3 children already, which is its max_children": TooManyChildren("a", 3),
    "supervisor 'a' gave up: its children crashed more than 3 times within 5 s; the cause below "
    "is the last of these crashes": SupervisorGaveUp("a", 3, 5.0),
}


@pytest.mark.parametrize(("text", "error"), ERRORS.items(), ids=lambda it: type(it).__name__)
def test_an_error_says_the_same_when_it_is_copied_and_pickled(
    text: str, error: TrouperError
) -> None:
    for twin in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert str(twin) == text
        assert vars(twin) == vars(error)


def test_what_an_asker_sees_is_an_actor_error_and_a_wrong_spec_is_none() -> None:
    assert all(
        isinstance(error, ActorError)
        for error in ERRORS.values()
        if not isinstance(error, SupervisorGaveUp)
    )
    assert not issubclass(SpecError, ActorError)
    assert issubclass(SpecError, TypeError)
    assert ActorUnavailable("a").retry_at == math.inf


def test_what_ties_an_answer_to_its_message_is_for_type_checkers() -> None:
    with pytest.raises(AssertionError, match="type checkers"):
        Request[int]()._asked()
    with pytest.raises(AssertionError, match="type checkers"):
        Streams[int]()._streamed()
