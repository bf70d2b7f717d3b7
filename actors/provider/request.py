"""The way into a request: from its first try to its answer, over a chain of targets.

What is tried again, when, and with whom is decided in one place, course.py. Two
short loops ask it, one for each way to have an answer: `Execution.whole` (execution.py),
of which nothing is seen before its end, and `LiveAnswer._begin` (live_answer.py), whose
words are seen as they come.

The commit point is the first content that is handed on. Before it, a retry is
invisible: what only says that the provider has begun is held back. After it,
nothing is repeated in silence: the answer ends with an error that says so and
has what there was (`committed`, `partial`), or begins again behind a Reset where
the route says `restart`. A route that says `buffer` hands nothing on before the
answer is whole, as a plain call does, and so has its commit point at the end:
then even an answer that a content filter has ended can be had elsewhere.

    Course                 whom to ask, and what came of it (course.py)
    ask                    one hop: an attempt, or two that race (hedge.py)
    Execution, LiveAnswer  the loops, for an answer that is had whole, and for a streamed one
    CachedAnswer           before them, where the route keeps answers (cached.py)

Before you edit: nothing but a course says that anything is tried again. Codecs,
connections and gates fail once, and say how.
"""

from ..chat import ChatRequest, Completion
from .cached import CachedAnswer, complete_cached
from .call import Call
from .execution import Execution
from .live_answer import LiveAnswer
from .route import Route

__all__ = ["AnswerStream", "complete", "stream"]

AnswerStream = LiveAnswer | CachedAnswer
"""An answer under way: an iterator of batches. Close it where it is left early."""

_NO_CALL = Call()


def stream(
    route: Route,
    request: ChatRequest,
    call: Call = _NO_CALL,
    *,
    pinned: str = "",
) -> AnswerStream:
    """The answer, a batch of chunks for each read of the socket.

    `pinned` names the target that is asked first, where it may be asked: the
    one that has answered last, whose cache knows the conversation. Close the
    answer (`contextlib.aclosing`) where it is left early. Iterating raises
    ProviderError.
    """
    if route.caching is not None:
        return CachedAnswer(route, route.caching, request, call, pinned)
    return LiveAnswer(route, request, call, pinned)


async def complete(
    route: Route, request: ChatRequest, call: Call = _NO_CALL, *, pinned: str = ""
) -> Completion:
    """The answer as a whole, with the trail of its attempts. Raises ProviderError."""
    if route.caching is not None:
        return await complete_cached(route, route.caching, request, call, pinned)
    asked = Execution(route, request, call, streamed=False, pinned=pinned)
    try:
        completion = await asked.whole()
    except BaseException as error:
        asked.ended(error)
        raise
    asked.ended(None)
    return completion
