"""What a program says to a session, as the parts of a message."""

from typing import cast

import attrs

from ..chat import Part, TextPart
from ..errors import SessionError
from .whole_text import whole_text

__all__ = ["prompt_parts"]


def prompt_parts(prompt: object) -> tuple[Part, ...]:
    """The parts of `prompt`, a text or a tuple of parts, with U+FFFD for half a character.

    Raises SessionError for anything else, as a program without types may give:
    the session would crash of it.
    """
    if isinstance(prompt, str):
        return (TextPart(whole_text(prompt)),)
    given = cast("tuple[object, ...]", prompt) if isinstance(prompt, tuple) else None
    wrong = [prompt] if given is None else [one for one in given if not isinstance(one, Part)]
    if wrong:
        raise SessionError(
            "a prompt is a text, or a tuple of parts (TextPart, ImagePart); a value of type "
            f"{type(wrong[0]).__name__} is neither"
        )
    return tuple(
        attrs.evolve(part, text=whole_text(part.text)) if isinstance(part, TextPart) else part
        for part in cast("tuple[Part, ...]", prompt)
    )
