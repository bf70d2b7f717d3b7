"""What was said in a session before somebody loaded it."""

from typing import Final, Literal

import attrs

from ..wire.session_client import News, Update, UserSaid

__all__ = ["History", "Said"]

# Characters of it that are kept: as many as a conversation may have.
_MOST: Final = 4_000_000


@attrs.frozen
class Said:
    """Something that one of the two has said."""

    role: Literal["user", "assistant"]
    text: str


class History:
    """Hears a session being told from its beginning (calls.Listener)."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Literal["user", "assistant"], list[str]]] = []
        self._length = 0

    def take(self, news: News) -> None:
        """Take what came next."""
        if isinstance(news, UserSaid):
            self._add("user", news.text)
        elif isinstance(news, Update) and news.reset:
            if self._pieces and self._pieces[-1][0] == "assistant":
                self._pieces.pop()
        elif isinstance(news, Update) and not news.thought:
            self._add("assistant", news.text)

    def _add(self, role: Literal["user", "assistant"], text: str) -> None:
        self._length += len(text)
        if self._length > _MOST:
            return
        if not self._pieces or self._pieces[-1][0] != role:
            self._pieces.append((role, []))
        self._pieces[-1][1].append(text)

    @property
    def said(self) -> tuple[Said, ...]:
        """All of it, the oldest first."""
        return tuple(Said(role, "".join(texts)) for role, texts in self._pieces)
