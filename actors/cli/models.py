"""`trouper models`: what is known of models: limits, abilities, prices, shutdowns.

Without a configuration these are the tables that come with this version; with
one, the targets of its models, with its own facts and prices on top.
"""

import argparse
import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import trio

from ..catalog.facts import ModelFacts, ModelRef
from ..catalog.models import NEAR, ModelCatalog, families, undated
from ..catalog.prices import PriceBook, load_price_book
from ..catalog.rates import Rate, Rates, UnknownPrice
from ..config import AppConfig, load_config
from ..config.advice import ref_of
from ..errors import ConfigError
from ..policy.money import dollars
from ..redaction import printable
from ..wire.converter import suggestion

__all__ = ["add_arguments", "run"]

# The words for abilities in a table, by the names of the facts.
_ABILITIES: Final = {
    "tools": "tools",
    "images": "images",
    "response_schema": "schema",
    "reasoning": "reasoning",
}

_HEADS: Final = ("model", "window", "output", "$/M in", "$/M out", "shutdown", "takes")
_NUMBERS: Final = ("window", "output", "$/M in", "$/M out")


@attrs.frozen(kw_only=True)
class _Model:
    """A line of the answer. `asked_by` are the names under which a configuration asks it."""

    ref: ModelRef
    facts: ModelFacts
    rates: Rates | UnknownPrice
    asked_by: tuple[str, ...] = ()

    def state(self, today: datetime.date) -> str:
        """ "gone" if it was shut down by then, "soon" if it will be within two months."""
        if self.facts.shutdown is None:
            return ""
        left = self.facts.shutdown - today
        return "gone" if left.days <= 0 else "soon" if left <= NEAR else ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `trouper models [--config FILE] [--provider NAME] [--all] [--format ...]`."""
    parser.description = (
        "What is known of models: windows and answers in tokens, abilities, dollars a million "
        "tokens, shutdowns. Of what nobody has said there is a hyphen."
    )
    parser.add_argument(
        "--config", metavar="FILE", help="show the models that this configuration asks"
    )
    parser.add_argument("--provider", metavar="NAME", help="show those of one provider only")
    parser.add_argument(
        "--all",
        action="store_true",
        help="without --config: dated snapshots and those that are shut down, too",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(args: argparse.Namespace, *, today: datetime.date | None = None) -> int:
    """Print them; 0. Raises ConfigError. `today` is the day in UTC unless given."""
    today = today or datetime.datetime.now(datetime.UTC).date()
    if args.config is None:
        book = trio.run(load_price_book)
        found = list(_listed(book, today, every=args.all))
        providers: Iterable[str] = families()
    else:
        config = load_config(args.config)
        book = trio.run(load_price_book, config.prices)
        found = list(_asked(config, book, today))
        providers = config.providers
    if args.provider is not None:
        if args.provider not in providers:
            fault = (
                f"no provider {args.provider!r} is known; {suggestion(args.provider, providers)}"
            )
            raise ConfigError("--provider", [fault])
        found = [one for one in found if one.ref.provider == args.provider]
    for line in _json(found, today) if args.format == "json" else _table(found, today):
        print(line)
    return 0


def _listed(book: PriceBook, today: datetime.date, *, every: bool) -> Iterator[_Model]:
    for family in families():
        known = ModelCatalog().known(family)
        names = {facts.name for facts in known}
        for facts in known:
            ref = ModelRef(family, facts.name, family)
            one = _Model(ref=ref, facts=facts, rates=book.rates(ref, at=_noon(today)))
            is_snapshot = undated(facts.name) in names - {facts.name}
            if every or not (is_snapshot or one.state(today) == "gone"):
                yield one


def _asked(config: AppConfig, book: PriceBook, today: datetime.date) -> Iterator[_Model]:
    models = ModelCatalog(config.facts)
    asked_by: dict[ModelRef, list[str]] = {}
    for name, model in config.models.items():
        for target in model.targets:
            ref = ref_of(config.providers[target.provider], target.model, book)
            asked_by.setdefault(ref, []).append(name)
    for ref, names in asked_by.items():
        yield _Model(
            ref=ref,
            facts=models.find(ref),
            rates=book.rates(ref, at=_noon(today)),
            asked_by=tuple(names),
        )


def _noon(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(12), datetime.UTC)


def _table(models: Sequence[_Model], today: datetime.date) -> Iterator[str]:
    asked = any(one.asked_by for one in models)
    heads = (*_HEADS, "asked by") if asked else _HEADS
    lines = [heads, *(_cells(one, today)[: len(heads)] for one in models)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            f"{cell:{'>' if head in _NUMBERS else '<'}{width}}"
            for head, cell, width in zip(heads, line, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
    if any("+" in line[3] + line[4] for line in lines[1:]):
        yield "+: long prompts cost more"
    if any(isinstance(one.rates, UnknownPrice) for one in models):
        yield '?: nobody has said what it costs; put it under [prices."provider/model"]'


def _cells(model: _Model, today: datetime.date) -> tuple[str, ...]:
    facts, rates = model.facts, model.rates
    takes = [word for name, word in _ABILITIES.items() if getattr(facts, name)]
    prices = ("?", "?")
    if isinstance(rates, Rates):
        prices = (_price(rates.input), _price(rates.output))
    return (
        printable(model.ref.key),
        _count(facts.max_input_tokens),
        _count(facts.max_output_tokens),
        *prices,
        f"{facts.shutdown or '-'} {model.state(today)}".rstrip(),
        " ".join(takes) or "-",
        ", ".join(model.asked_by),
    )


def _count(tokens: int | None) -> str:
    return "-" if tokens is None else f"{tokens:,}"


def _price(rate: Rate) -> str:
    return _per_million(rate.base) + ("+" if rate.steps else "")


def _per_million(pico: int) -> str:
    """Pico-dollars a token as dollars a million tokens, exactly."""
    return dollars(pico * 1_000)


def _json(models: Sequence[_Model], today: datetime.date) -> Iterator[str]:
    yield json.dumps([_object(one, today) for one in models], indent=2, ensure_ascii=False)


def _object(model: _Model, today: datetime.date) -> Mapping[str, Any]:
    facts = model.facts
    return {
        "provider": model.ref.provider,
        "model": model.ref.model,
        "family": model.ref.family,
        "known": facts.known,
        "max_input_tokens": facts.max_input_tokens,
        "max_output_tokens": facts.max_output_tokens,
        **{name: getattr(facts, name) for name in _ABILITIES},
        "apis": facts.apis,
        "efforts": facts.efforts,
        "usd_per_million": _prices(model.rates),
        "shutdown": None if facts.shutdown is None else facts.shutdown.isoformat(),
        "state": {"gone": "shut_down", "soon": "near_shutdown"}.get(model.state(today), "served"),
        "asked_by": model.asked_by,
    }


def _prices(rates: Rates | UnknownPrice) -> Mapping[str, Any] | None:
    if isinstance(rates, UnknownPrice):
        return None
    kinds = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
    found: dict[str, Rate | None] = {kind: getattr(rates, kind) for kind in kinds}
    return {
        "price_id": rates.price_id,
        **{kind: _per_million(rate.base) for kind, rate in found.items() if rate is not None},
        "above": {
            kind: {str(tokens): _per_million(pico) for tokens, pico in rate.steps}
            for kind, rate in found.items()
            if rate is not None and rate.steps
        },
    }
