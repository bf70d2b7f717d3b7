"""What its operator looks at, and what a key does: pages, what is chosen, filters, questions.

No terminal and no socket here: keys and frames come in, requests go out by
`send`, and `view.py` draws what is in the attributes.
"""

import textwrap
from collections.abc import Callable
from typing import Any, Final

import attrs

from ..console_acting import effect_in_words, outcome_in_words
from ..inspect import lines_of
from .console_socket import Lost
from .items import Item
from .pages import PAGES, SORTS, actor_items, items_of
from .picture import TOPICS, Picture

__all__ = ["ACTS", "HELP", "Desk", "Question"]

ACTS: Final = {
    "R": "restart",
    "X": "stop",
    "D": "drain",
    "S": "suspend",
    "U": "resume",
    "T": "trip",
    "C": "reset",
}
"""Capitals, so that no slip of a finger asks for one."""

HELP: Final = (
    "1-6, Tab      tree, problems, providers, requests, sessions, events",
    "up, down      or k, j; PgUp, PgDn, Home, End",
    "Enter         one actor, whole; Esc or Left goes back",
    "Space         fold what is below, and unfold it",
    "/             show only what has these letters; Esc shows all again",
    "s             sort the tree by mailbox, oldest, rate, restarts",
    "R  X  D       restart, stop, drain the chosen actor",
    "S  U          suspend it, let it go on",
    "T  C          trip a circuit (calls are refused), reset it",
    "              each says first what it would do, and asks",
    "q             leave; the program runs on",
)

# Seconds for which a sorted list keeps its order, so that rows do not jump from under a finger.
_STILL: Final = 3.0
_FILTER: Final = 60
_HZ: Final = 2

Send = Callable[..., int]


@attrs.frozen
class Question:
    """What is asked before an act: its words, and what is sent when the answer is yes."""

    words: str
    act: str
    path: str
    gen: int | None


class Desk:
    """One operator. `send(op, **values)` sends a request and gives its id, or raises Lost."""

    def __init__(self, send: Send, clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self.picture = Picture()
        self.page = PAGES[0]
        self.actor = ""
        """The path of the actor whose page is open, if one is."""
        self.told: dict[str, Any] | None = None
        """What is known of it."""
        self.filter = ""
        self.typing = False
        self.sort = SORTS[0]
        self.helping = False
        self.question: Question | None = None
        self.said = ""
        """The last word on what was done, or what went wrong."""
        self.lost = "nobody has answered yet"
        """Why there is no connection, "" while there is one."""
        self.told_at = 0.0
        """When the last frame came, in seconds since 1970."""
        self.leaving = False
        self.rows = 10
        """How many lines a page has, as the view has drawn it last."""
        self._chosen: dict[str, str] = {}
        self._first: dict[str, int] = {}
        self._folded: set[str] = set()
        self._waiting: dict[Any, Question] = {}
        self._frames = 0
        self._items: list[Item] = []
        self._items_of: tuple[object, ...] = ()
        self._order: list[str] = []
        self._ordered_at = -_STILL

    # What the program says.

    def greet(self) -> None:
        """A connection is there: ask for everything."""
        self._waiting.clear()
        self.question = None
        self._send("hello", client="trouper top")
        self._send("sub", topics=TOPICS, hz=_HZ)
        self.lost = ""

    def hear(self, frame: dict[str, Any], at: float) -> None:
        """A frame has come, at that time."""
        self.told_at = at
        self._frames += 1
        match frame["t"]:
            case "ack" | "err":
                self._answered(frame)
            case "actor":
                if frame["path"] == self.actor:
                    self.told = frame
            case _:
                self.picture.take(frame)

    def lose(self, why: str) -> None:
        """The connection is gone."""
        self.lost = why
        self.question = None
        self._waiting.clear()

    def tick(self) -> None:
        """A second has passed: look at the open actor again."""
        if self.actor and not self.lost:
            self._ask("inspect", path=self.actor)

    def _answered(self, frame: dict[str, Any]) -> None:
        asked = self._waiting.pop(frame.get("id", 0), None)
        if frame["t"] == "err":
            self.said = f"not done: {frame['err']['msg']}"
            return
        if asked is None:
            return
        effect = frame["effect"]
        words = effect_in_words(asked.act, asked.path, effect)
        if asked.words:  # it was the deed
            self.said = outcome_in_words(asked.words, effect)
        else:
            self.question = Question(words, asked.act, asked.path, effect.get("gen"))

    def _ask(self, op: str, **values: Any) -> int | None:
        try:
            return self._send(op, **values)
        except Lost as lost:
            self.lose(str(lost))
            return None

    # What its operator presses.

    def press(self, key: str) -> None:
        """A key, as urwid calls it. Those that mean nothing do nothing."""
        self.said = ""
        if key == "ctrl c":
            self.leaving = True
        elif self.question is not None:
            self._answer(self.question, key)
        elif self.typing:
            self._type(key)
        elif self.helping:
            self.helping = False
        elif key in ACTS:
            self._begin(ACTS[key])
        elif not self._move(key):
            self._go(key)

    def _answer(self, question: Question, key: str) -> None:
        self.question = None
        if key not in ("y", "Y"):
            self.said = "left as it is"
            return
        # Of the life that was seen: what has recovered meanwhile is left alone.
        act, path = question.act, question.path
        id = self._ask("act", act=act, path=path, gen=question.gen)
        if id is not None:
            self._waiting[id] = question
            self.said = f"{act} {path} ..."

    def _begin(self, act: str) -> None:
        path = self.actor or self._path()
        if not path:
            self.said = f"nothing is chosen to {act}"
            return
        id = self._ask("act", act=act, path=path, dry=True)
        if id is not None:
            self._waiting[id] = Question("", act, path, None)

    def _type(self, key: str) -> None:
        if key == "enter":
            self.typing = False
        elif key == "esc":
            self.typing, self.filter = False, ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1 and key.isprintable():
            self.filter = (self.filter + key)[:_FILTER]

    def _go(self, key: str) -> None:
        if key in ("1", "2", "3", "4", "5", "6"):
            self._open(PAGES[int(key) - 1])
        elif key in ("tab", "shift tab"):
            step = 1 if key == "tab" else -1
            self._open(PAGES[(PAGES.index(self.page) + step) % len(PAGES)])
        elif key in ("enter", "right") and not self.actor:
            self.actor, self.told = self._path(), None
            self._first.pop("actor", None)
            self.tick()
        elif key in ("esc", "left", "backspace"):
            if self.actor:
                self.actor, self.told = "", None
            else:
                self.filter = ""
        elif key == " " and self.page == "tree":
            self._folded ^= {self._path()}
        elif key == "/":
            self.actor, self.typing, self.filter = "", True, ""
        elif key == "s":
            self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
            self.page, self.actor, self._ordered_at = "tree", "", -_STILL
        elif key in ("?", "h", "f1"):
            self.helping = True
        elif key in ("q", "Q"):
            self.leaving = True

    def _open(self, page: str) -> None:
        self.page, self.actor, self.told = page, "", None

    def _move(self, key: str) -> bool:
        page = max(1, self.rows - 2)
        steps = {"up": -1, "k": -1, "down": 1, "j": 1, "page up": -page, "page down": page}
        steps |= {"home": -1_000_000, "g": -1_000_000, "end": 1_000_000, "G": 1_000_000}
        if key not in steps:
            return False
        if self.actor:
            first = self._first.get("actor", 0) + steps[key]
            self._first["actor"] = max(0, min(first, len(self.items(80)) - 1))
            return True
        items = self.items(80)
        if items:
            at = self.chosen(items) + steps[key]
            self._chosen[self.page] = items[max(0, min(at, len(items) - 1))].key
        return True

    # What is to be seen.

    def items(self, columns: int) -> list[Item]:
        """What the open page has."""
        if self.actor:
            return self._actor_items(columns)
        # Between two frames keys are pressed, and 10,000 actors take 40 ms.
        tired = self.sort != "tree" and self._clock() - self._ordered_at >= _STILL
        seen = (self._frames, self.page, self.filter, self.sort, frozenset(self._folded), tired)
        if seen != self._items_of:
            self._items_of, self._items = seen, self._fresh_items()
        return self._items

    def _fresh_items(self) -> list[Item]:
        items = list(items_of(self.page, self.picture, self._folded, self.sort))
        if self.page == "tree" and self.sort != "tree":
            items = self._still(items)
        wanted = self.filter.lower()
        return [item for item in items if wanted in item.words.lower()] if wanted else items

    def _actor_items(self, columns: int) -> list[Item]:
        if self.told is None:
            return list(actor_items([f"{self.actor}  ..."]))
        lines: list[str] = []
        for line in lines_of(self.told):
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            lines += textwrap.wrap(line, max(20, columns - 1), subsequent_indent=indent) or [""]
        return list(actor_items(lines))

    def _still(self, items: list[Item]) -> list[Item]:
        now = self._clock()
        if now - self._ordered_at >= _STILL:
            self._ordered_at, self._order = now, [item.key for item in items]
        places = {key: place for place, key in enumerate(self._order)}
        return sorted(items, key=lambda item: places.get(item.key, len(places)))

    def chosen(self, items: list[Item]) -> int:
        """Which of these is chosen; the first one where what was chosen has gone."""
        key = self._chosen.get(self.page, "")
        return next((at for at, item in enumerate(items) if item.key == key), 0)

    def first(self, items: list[Item], rows: int) -> int:
        """From which of these on `rows` lines are shown, so that the chosen one is among them."""
        if self.actor:
            return self._first.get("actor", 0)
        first, at = min(self._first.get(self.page, 0), max(0, len(items) - 1)), self.chosen(items)
        first = min(first, at)
        # Back from the chosen one, as far as there is room.
        room, lowest = rows - items[at].height, at
        while lowest > first and room >= items[lowest - 1].height:
            lowest -= 1
            room -= items[lowest].height
        first = max(first, lowest)
        self._first[self.page] = first
        return first

    def _path(self) -> str:
        items = self.items(80)
        return items[self.chosen(items)].path if items else ""
