"""What is known of models before they are asked, and what their answers have taught.

One for all targets of a program: a plain object and no actor, since each of its
answers is synchronous but the count of a long prompt, which has a thread.
"""

import datetime
import time

import attrs
import structlog

from ..catalog.correction import Correction, initial_correction
from ..catalog.encodings import encoding_for, is_loaded, load_encoding, load_encoding_async
from ..catalog.facts import ModelFacts, ModelRef
from ..catalog.models import ModelCatalog, family_of
from ..catalog.prices import PriceBook
from ..catalog.rates import FREE, Rates, UnknownPrice
from ..catalog.tokens import TokenCounter, count_text
from ..chat import ChatRequest, Usage
from ..policy.lengths import AnswerLength
from .tally import Tally

__all__ = ["Knowledge", "is_paid"]

_log = structlog.get_logger("trouper.models")

# Limits of an answer up to this are believed, as the provider's own limiter
# believes them; above, they say only that nobody wanted to set one.
_HUGE = 8_192

# A rate may depend on the time of day; a minute's delay is no money.
_RATES_SECONDS = 60

# As many models as a configuration names. A gateway's clients may name more.
_MOST = 1_024

# What English has, where no tokenizer is at hand.
_CHARS_A_TOKEN = 4


@attrs.define(eq=False)
class _Learned:
    correction: Correction
    length: AnswerLength = AnswerLength()


class Knowledge:
    """Facts, prices and lengths. Without `prices` it knows those of local models only."""

    def __init__(
        self,
        models: ModelCatalog | None = None,
        prices: PriceBook | None = None,
        tokens: TokenCounter | None = None,
    ) -> None:
        self.models = models or ModelCatalog()
        self.prices = prices or PriceBook()
        self._priced = prices is not None
        self.tokens = tokens or TokenCounter()
        self._learned: dict[ModelRef, _Learned] = {}
        self._rates: dict[tuple[ModelRef, str | None], tuple[int, Rates | UnknownPrice]] = {}
        self._unpriced: set[str] = set()

    def family(self, kind: str, base_url: str) -> str:
        """Whose models a provider serves; "" where its address does not say."""
        return family_of(kind, base_url) or (self.prices.family(base_url) if base_url else "")

    async def prepare(self, ref: ModelRef) -> None:
        """Load what this model needs, so that no call waits for it."""
        if is_paid(self._rates_now(ref, None)):
            await load_encoding_async(encoding_for(ref.model))

    def facts(self, ref: ModelRef) -> ModelFacts:
        """What is known of this model."""
        return self.models.find(ref)

    def rates(self, ref: ModelRef, service_tier: str | None = None) -> Rates | UnknownPrice:
        """What it costs now. That nobody knows is said once, in the log."""
        rates = self._rates_now(ref, service_tier)
        # Who has loaded no prices has not asked for any.
        if isinstance(rates, UnknownPrice) and self._priced and ref.key not in self._unpriced:
            if len(self._unpriced) >= _MOST:
                self._unpriced.clear()
            self._unpriced.add(ref.key)
            _log.info("price is unknown", model=ref.key, why=rates.why)
        return rates

    def _rates_now(self, ref: ModelRef, service_tier: str | None) -> Rates | UnknownPrice:
        now = time.time()
        minute = int(now // _RATES_SECONDS)
        found = self._rates.get((ref, service_tier))
        if found is None or found[0] != minute:
            at = datetime.datetime.fromtimestamp(now, datetime.UTC)
            found = minute, self.prices.rates(ref, at=at, service_tier=service_tier)
            if len(self._rates) >= _MOST:
                self._rates.clear()
            self._rates[ref, service_tier] = found
        return found[1]

    # Before the call.

    async def count(self, ref: ModelRef, request: ChatRequest) -> int:
        """The tokens of the prompt as our own tokenizer has them."""
        return await self.tokens.count_request_async(request, ref.model)

    def correction(self, ref: ModelRef) -> Correction:
        """What the model's answers have taught of our counts."""
        return self._of(ref).correction

    def likely_input(self, ref: ModelRef, counted: int) -> int:
        """The tokens of a prompt that we count as `counted`, as the model is likely to have them."""
        return self._of(ref).correction.apply(counted)

    def likely_output(self, ref: ModelRef, wanted: int | None) -> int:
        """The tokens that the answer is likely to have, if `wanted` is its limit."""
        if wanted is not None and wanted <= _HUGE:
            return wanted
        usual = int(self._of(ref).length.tokens)
        return usual if wanted is None else min(wanted, usual)

    # After it.

    def learn(self, ref: ModelRef, counted: int, usage: Usage) -> None:
        """Take in what the provider says of a call whose prompt was `counted`; 0 is not at all."""
        learned = self._of(ref)
        learned.correction = learned.correction.learn(counted, usage.input)
        learned.length = learned.length.learn(usage.output)

    def estimate(self, ref: ModelRef, request: ChatRequest, counted: int, tally: Tally) -> Usage:
        """What an answer that was broken off has probably used, and what was said of it is kept."""
        said = tally.usage or Usage()
        factor = self._of(ref).correction
        written = factor.apply(self._count(ref, *tally.text))
        read = said.input or factor.apply(counted or _chars(request) // _CHARS_A_TOKEN)
        return attrs.evolve(said, input=read, output=max(said.output, written), estimated=True)

    def _count(self, ref: ModelRef, text: str, times: float) -> int:
        name = encoding_for(ref.model)
        # Loading it would hold up the loop, for an answer that nobody waits for.
        if not is_loaded(name):
            return round(len(text) * times / _CHARS_A_TOKEN)
        return round(count_text(text, load_encoding(name)) * times)

    def _of(self, ref: ModelRef) -> _Learned:
        found = self._learned.get(ref)
        if found is None:
            if len(self._learned) >= _MOST:
                self._learned.clear()
            found = self._learned[ref] = _Learned(initial_correction(ref.family))
        return found


def _chars(request: ChatRequest) -> int:
    return sum(len(message.text) for message in request.messages)


def is_paid(rates: Rates | UnknownPrice) -> bool:
    """Whether a call's size says what it costs."""
    return isinstance(rates, Rates) and rates is not FREE
