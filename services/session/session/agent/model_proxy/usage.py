"""What the model's answers use: counted as they pass, whoever in the sandbox asked for them."""

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass
from decimal import Decimal
from typing import Any, cast

MILLION = 1_000_000
CHARACTERS_A_TOKEN = 4
EVENT_FRAME = 100
"""About so many bytes of an event with text are not the text."""
MAX_LINE_BYTES = 2**20
MAX_ANSWER_BYTES = 2**20

# US dollars for a million input tokens, by parts of names: never more than Claude Code counts for such a model. The
# ratios in `Tokens` give the other prices. A test holds both against Claude Code.
PRICES = {
    "haiku-4": Decimal(1),
    "haiku": Decimal("0.1"),
    "sonnet": Decimal(2),
    "opus": Decimal(4),
    "fable": Decimal(8),
    "mythos": Decimal(8),
}
PRICE_OF_OTHERS = Decimal(4)


def price(model: str) -> Decimal:
    """Return what an input token of a model costs at least, in US dollars."""
    return next((usd for part, usd in PRICES.items() if part in model.lower()), PRICE_OF_OTHERS) / MILLION


@dataclass(frozen=True)
class Tokens:
    """Tokens by how they are priced."""

    input: int = 0
    cache_written: int = 0
    cache_read: int = 0
    output: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def read(self) -> int:
        """All that went in."""
        return self.input + self.cache_written + self.cache_read

    @property
    def weight(self) -> Decimal:
        """How many input tokens cost about as much: the prices of all models stand in this ratio, or near it."""
        return self._without_cache_read + self.cache_read * Decimal("0.1")

    @property
    def least_weight(self) -> Decimal:
        """How many input tokens cost no more: some models take less for what they read from the cache."""
        return self._without_cache_read + self.cache_read * Decimal("0.025")

    @property
    def _without_cache_read(self) -> Decimal:
        return self.input + self.cache_written * Decimal("1.25") + self.output * 5


class Meter:
    """What the answers of one turn used, those that are still coming included."""

    def __init__(self) -> None:
        self._tokens, self._cost, self._dearest = Tokens(), Decimal(0), Decimal(0)
        self._coming: set[Counted] = set()

    def begin(self, model: str, body_bytes: int) -> "Counted":
        """Begin to count an answer of `model` to a request of so many bytes."""
        counted = Counted(price(model), body_bytes, self._settle)
        self._coming.add(counted)
        return counted

    @property
    def tokens(self) -> Tokens:
        """What was used so far."""
        return sum((counted.tokens for counted in self._coming), self._tokens)

    @property
    def cost_usd(self) -> Decimal:
        """What that costs at least."""
        return self._cost + sum(counted.tokens.least_weight * counted.price for counted in self._coming)

    def cost_usd_beside(self, told: Tokens, told_usd: Decimal) -> Decimal:
        """Return what the turn cost, of which the agent itself tells that it used and paid so much.

        What the agent does not tell of is taken to have cost as much as what it tells of, and no less than it must.
        """
        price = max(self._dearest, told_usd / told.weight if told.weight > 0 else Decimal(0))
        beside = max(Decimal(0), self.tokens.weight - told.weight)
        return max(self.cost_usd, told_usd + beside * price)

    def close(self) -> None:
        """Settle what is still coming, as broken off."""
        for counted in list(self._coming):
            counted.end(whole=False)

    def _settle(self, counted: "Counted") -> None:
        self._coming.discard(counted)
        self._tokens += counted.tokens
        self._cost += counted.tokens.least_weight * counted.price
        if counted.tokens.weight:
            self._dearest = max(self._dearest, counted.price)


class Counted:
    """What one answer used, in as far as it has come. What the provider does not tell is estimated by length."""

    def __init__(self, price: Decimal, body_bytes: int, settle: Callable[["Counted"], None]) -> None:
        self.price = price
        self._body_bytes, self._settle = body_bytes, settle
        self._told, self._estimated_output, self._rest = dict[str, int](), 0, bytearray()
        self._is_stream = self._free = self._ended = False

    @property
    def tokens(self) -> Tokens:
        """What it used so far."""
        told = self._told
        output = max(told.get("output_tokens", 0), self._estimated_output)
        written, read = told.get("cache_creation_input_tokens", 0), told.get("cache_read_input_tokens", 0)
        return Tokens(told.get("input_tokens", 0), written, read, output)

    def answered(self, *, failed: bool, is_stream: bool) -> None:
        """Note what kind of an answer begins."""
        self._free, self._is_stream = failed, is_stream

    def feed(self, chunk: bytes) -> None:
        """Count the next bytes of the answer."""
        if self._free or self._ended:
            return
        if not self._is_stream:
            self._rest += chunk[: MAX_ANSWER_BYTES - len(self._rest)]
            self._estimated_output += len(chunk) // CHARACTERS_A_TOKEN
            return
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[:MAX_LINE_BYTES]
        for line in lines:
            self._line(line)

    def end(self, *, whole: bool) -> None:
        """Settle what the answer used; `whole` unless it broke off. Nothing happens the second time."""
        if self._ended:
            return
        self._ended = True
        if whole and not self._is_stream and not self._free:
            self._tell(_loaded(self._rest))
        # A stream may end with an error before anything was said, and nothing used.
        if not self._free and not self._told and (self._estimated_output or not whole):
            self._told["input_tokens"] = self._body_bytes // CHARACTERS_A_TOKEN
        self._rest.clear()
        self._settle(self)

    def _line(self, line: bytes | bytearray) -> None:
        if not line.startswith(b"data:"):
            return
        if b'"content_block_delta"' in line:
            self._estimated_output += max(1, (len(line) - EVENT_FRAME) // CHARACTERS_A_TOKEN)
        elif b'"usage"' in line:
            event = _loaded(line[5:])
            message = event.get("message")
            self._tell(cast(dict[str, Any], message) if isinstance(message, dict) else event)

    def _tell(self, message: dict[str, Any]) -> None:
        """Take what the provider tells, which counts from the beginning of the answer, for what was estimated."""
        usage = message.get("usage")
        if isinstance(usage, dict):
            counts = cast(dict[str, Any], usage).items()
            self._told |= {name: count for name, count in counts if isinstance(count, int) and count >= 0}
            self._estimated_output = 0


def _loaded(text: bytes | bytearray) -> dict[str, Any]:
    try:
        value: object = json.loads(text)
    except ValueError:
        return {}
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
