"""Text with halves of characters, which no store and no wire can hold.

Such a half (a lone surrogate) comes of text that was cut within a character, or of bytes
that were decoded with `surrogateescape`.
"""

from ..errors import SessionError

__all__ = ["name_fault", "whole_name", "whole_text"]


def whole_text(text: str) -> str:
    """`text` with U+FFFD for each half; two that found each other become one character."""
    if _is_whole(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def name_fault(what: str, name: object) -> str | None:
    """What is wrong with the `name` of `what`, None where nothing is."""
    if not isinstance(name, str):
        return f"the {what} is of type {type(name).__name__} and must be a text; str() makes one"
    if _is_whole(name):
        return None
    # Replaced as in a text, two names would be one, and one user would have another's.
    return (
        f"the {what} {name!r} has half a character in it, which cannot be written down; "
        f"decode such names with errors='backslashreplace'"
    )


def whole_name(what: str, name: str) -> str:
    """`name`. Raises SessionError where it is no text, or has halves in it."""
    fault = name_fault(what, name)
    if fault is not None:
        raise SessionError(fault)
    return name


def _is_whole(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
