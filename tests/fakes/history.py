"""What a session has of its conversation, as models are shown it."""

from trouper.actors.chat import Message
from trouper.actors.session.messages import GetTranscript
from trouper.actors.session.state import conversation
from trouper.runtime import Ref

__all__ = ["history_of"]


async def history_of(ref: Ref[GetTranscript]) -> tuple[Message, ...]:
    """The messages of all turns that were answered, the oldest first."""
    return tuple(conversation((await ref.ask(GetTranscript())).state))
