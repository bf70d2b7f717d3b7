"""The page of providers: circuits with their timers, limits with what is left, budgets."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from ..console_output import money
from .cells import Cell, Line, row
from .items import COLOURS, Item, draw_text
from .picture import Picture

__all__ = ["provider_items"]

_METER: Final = 10


def provider_items(picture: Picture) -> Iterator[Item]:
    """What there is of providers and budgets."""
    for provider in picture.listed("providers"):
        name = provider["name"]
        head = f"{name}  {provider['kind']}  {provider['in_flight']} in flight"
        yield Item(f"provider {name}", provider["path"], name, partial(draw_text, head, "head"))
        for circuit in provider["circuits"]:
            words = f"{name} {circuit['model']} {circuit['health']} {circuit['detail']}"
            yield Item(circuit["path"], circuit["path"], words, partial(_draw_circuit, circuit), 2)
        for limiter in provider["limiters"]:
            words = f"{name} {limiter['health']} {limiter['detail']}"
            yield Item(limiter["path"], limiter["path"], words, partial(_draw_limiter, limiter))
    costs: dict[str, Any] = picture.values.get("costs", {})
    for budget in costs.get("budgets", ()):
        words = f"budget {budget['name']} {budget['health']} {budget['detail']}"
        yield Item(words, "", words, partial(_draw_budget, budget))


def _draw_circuit(circuit: dict[str, Any], columns: int) -> list[Line]:
    state = str(circuit["state"]).replace("_", " ")
    colour = "good" if state == "closed" else "act" if state == "open" else "look"
    outcomes = "".join("·" if each == "ok" else "x" for each in circuit["outcomes"])
    head = [
        Cell(f"  circuit {circuit['model']}", None),
        Cell(state, 10, colour),
        Cell(f"{circuit['failures']} of {circuit['calls']} failed", 16),
        Cell(outcomes, 20, "dim"),
    ]
    detail: str = circuit["detail"] or "calls go through"
    return [row(columns, head), row(columns, [Cell("", 3), Cell(detail, None, "dim")])]


def _draw_limiter(limiter: dict[str, Any], columns: int) -> list[Line]:
    key = f" {limiter['key']}" if limiter["key"] else ""
    levels = (
        _meter(name, limiter[name])
        for name in ("requests", "tokens", "input_tokens", "output_tokens")
    )
    told = "  ".join(filter(None, levels)) or "no limits"
    waits = f"{limiter['waiting']} wait" if limiter["waiting"] else ""
    colour = "look" if limiter["health"] != "ok" else "plain"
    return [
        row(
            columns,
            [Cell(f"  limit{key}  {told}", None, colour), Cell(waits, 12, colour, right=True)],
        )
    ]


def _draw_budget(budget: dict[str, Any], columns: int) -> list[Line]:
    spent = f"{money(budget['spent'])} of {money(budget['limit'])}"
    said: str = budget["detail"] or f"{spent} spent"
    window = f"{budget['scope']}, {budget['window']}"
    colour = COLOURS[budget["severity"]]
    cells = [
        Cell(f"budget {budget['name']}", 24),
        Cell(window, 20, "dim"),
        Cell(said, None, colour),
    ]
    return [row(columns, cells)]


def _meter(name: str, level: dict[str, float] | None) -> str:
    if level is None:
        return ""
    share = level["level"] / level["capacity"] if level["capacity"] else 0.0
    full = max(0, min(_METER, round(share * _METER)))
    bar = "#" * full + "-" * (_METER - full)
    return f"{name.replace('_', ' ')} [{bar}] {level['level']:.0f} of {level['capacity']:.0f} left"
