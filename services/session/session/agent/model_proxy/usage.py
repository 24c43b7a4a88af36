"""Meters the model's answers while they pass, independent of which program in the sandbox requested them."""

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass
from decimal import Decimal
from typing import Any, cast

MILLION = 1_000_000
CHARS_PER_TOKEN = 4
EVENT_OVERHEAD_BYTES = 100
"""The approximate size of a text event without its text."""
MAX_LINE_BYTES = 2**20
MAX_ANSWER_BYTES = 2**20

# US dollars per million input tokens, by parts of model names: never more than Claude Code counts for such a model. The
# ratios in `Tokens` determine the other prices. A test checks both against Claude Code.
PRICES = {
    "haiku-4": Decimal(1),
    "haiku": Decimal("0.1"),
    "sonnet": Decimal(2),
    "opus": Decimal(4),
    "fable": Decimal(8),
    "mythos": Decimal(8),
}
DEFAULT_PRICE = Decimal(4)


def price(model: str) -> Decimal:
    """Return the minimum price of an input token of a model, in US dollars."""
    return next((usd for part, usd in PRICES.items() if part in model.lower()), DEFAULT_PRICE) / MILLION


@dataclass(frozen=True)
class Tokens:
    """Token counts by price class."""

    input: int = 0
    cache_written: int = 0
    cache_read: int = 0
    output: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def since(self, earlier: "Tokens") -> "Tokens":
        """Return what was added to an earlier total; nothing where that was higher, since a total can be forged."""
        return Tokens(*(max(0, a - b) for a, b in zip(astuple(self), astuple(earlier), strict=True)))

    @property
    def read(self) -> int:
        """All input tokens."""
        return self.input + self.cache_written + self.cache_read

    @property
    def weight(self) -> Decimal:
        """The number of uncached input tokens of about the same price: all models have nearly these price ratios."""
        return self._without_cache_read + self.cache_read * Decimal("0.1")

    @property
    def min_weight(self) -> Decimal:
        """A lower bound of `weight`: some models charge less for input tokens read from the cache."""
        return self._without_cache_read + self.cache_read * Decimal("0.025")

    @property
    def _without_cache_read(self) -> Decimal:
        return self.input + self.cache_written * Decimal("1.25") + self.output * 5


class Meter:
    """The usage of one turn, including answers that are still being received."""

    def __init__(self) -> None:
        self._tokens, self._cost, self._highest_price = Tokens(), Decimal(0), Decimal(0)
        self._active: set[AnswerMeter] = set()

    def begin(self, model: str, body_bytes: int) -> "AnswerMeter":
        """Start to meter the answer of `model` to a request whose body has `body_bytes` bytes."""
        meter = AnswerMeter(price(model), body_bytes, self._finish)
        self._active.add(meter)
        return meter

    @property
    def tokens(self) -> Tokens:
        """The tokens used so far."""
        return sum((meter.tokens for meter in self._active), self._tokens)

    @property
    def cost_usd(self) -> Decimal:
        """The minimum cost of these tokens."""
        return self._cost + sum(meter.tokens.min_weight * meter.price for meter in self._active)

    def total_cost_usd(self, reported: Tokens, reported_usd: Decimal) -> Decimal:
        """Return the cost of the turn, given the usage and the cost that the agent reported.

        Unreported usage is priced at the higher of the agent's average price and the highest minimum price of the
        models used.
        """
        price = max(self._highest_price, reported_usd / reported.weight if reported.weight > 0 else Decimal(0))
        unreported = max(Decimal(0), self.tokens.weight - reported.weight)
        return max(self.cost_usd, reported_usd + unreported * price)

    def close(self) -> None:
        """End the metering of unfinished answers, as incomplete."""
        for meter in list(self._active):
            meter.end(complete=False)

    def _finish(self, answer: "AnswerMeter") -> None:
        self._active.discard(answer)
        self._tokens += answer.tokens
        self._cost += answer.tokens.min_weight * answer.price
        if answer.tokens.weight:
            self._highest_price = max(self._highest_price, answer.price)


class AnswerMeter:
    """The usage of one answer, as far as it was received.

    Until the provider reports the usage, it is estimated from the length of the text.
    """

    def __init__(self, price: Decimal, body_bytes: int, on_end: Callable[["AnswerMeter"], None]) -> None:
        self.price = price
        self._body_bytes, self._on_end = body_bytes, on_end
        self._reported, self._estimated_output, self._rest = dict[str, int](), 0, bytearray()
        self._is_stream = self._is_free = self._ended = False

    @property
    def tokens(self) -> Tokens:
        """The tokens used so far."""
        reported = self._reported
        output = max(reported.get("output_tokens", 0), self._estimated_output)
        written, read = reported.get("cache_creation_input_tokens", 0), reported.get("cache_read_input_tokens", 0)
        return Tokens(reported.get("input_tokens", 0), written, read, output)

    def begin_answer(self, *, free: bool, is_stream: bool) -> None:
        """Record the kind of answer: `free` answers are not metered, and streams are metered event by event."""
        self._is_free, self._is_stream = free, is_stream

    def feed(self, chunk: bytes) -> None:
        """Meter the next bytes of the answer."""
        if self._is_free or self._ended:
            return
        if not self._is_stream:
            self._rest += chunk[: MAX_ANSWER_BYTES - len(self._rest)]
            self._estimated_output += len(chunk) // CHARS_PER_TOKEN
            return
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[:MAX_LINE_BYTES]
        for line in lines:
            self._line(line)

    def end(self, *, complete: bool) -> None:
        """End metering; `complete` is False if the answer was cut off. Later calls have no effect."""
        if self._ended:
            return
        self._ended = True
        if complete and not self._is_stream and not self._is_free:
            self._apply_usage(_loaded(self._rest))
        # A complete stream without any usage or text ended with an error, and costs nothing.
        if not self._is_free and not self._reported and (self._estimated_output or not complete):
            self._reported["input_tokens"] = self._body_bytes // CHARS_PER_TOKEN
        self._rest.clear()
        self._on_end(self)

    def _line(self, line: bytes | bytearray) -> None:
        if not line.startswith(b"data:"):
            return
        if b'"content_block_delta"' in line:
            self._estimated_output += max(1, (len(line) - EVENT_OVERHEAD_BYTES) // CHARS_PER_TOKEN)
        elif b'"usage"' in line:
            event = _loaded(line[5:])
            message = event.get("message")
            self._apply_usage(cast(dict[str, Any], message) if isinstance(message, dict) else event)

    def _apply_usage(self, message: dict[str, Any]) -> None:
        """Replace the estimate by the provider's usage, which counts from the start of the answer."""
        usage = message.get("usage")
        if isinstance(usage, dict):
            counts = cast(dict[str, Any], usage).items()
            self._reported |= {name: count for name, count in counts if isinstance(count, int) and count >= 0}
            self._estimated_output = 0


def _loaded(text: bytes | bytearray) -> dict[str, Any]:
    try:
        value: object = json.loads(text)
    except ValueError:
        return {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
