"""What a program says to a session, as the parts of a message."""

from typing import cast

from ..chat import Part, TextPart
from ..errors import SessionError

__all__ = ["prompt_parts"]


def prompt_parts(prompt: object) -> tuple[Part, ...]:
    """The parts of `prompt`, a text or a tuple of parts.

    Raises SessionError for anything else, as a program without types may give:
    the session would crash of it.
    """
    if isinstance(prompt, str):
        return (TextPart(prompt),)
    given = cast("tuple[object, ...]", prompt) if isinstance(prompt, tuple) else None
    wrong = [prompt] if given is None else [one for one in given if not isinstance(one, Part)]
    if wrong:
        raise SessionError(
            "a prompt is a text, or a tuple of parts (TextPart, ImagePart); a value of type "
            f"{type(wrong[0]).__name__} is neither"
        )
    return cast("tuple[Part, ...]", prompt)
