"""Usage of a process so far, and its cost."""

from simulator.claude_code.channel import Frame

COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
NAMES = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens", "outputTokens")
PRICES = {"haiku-4": 1.0, "haiku": 0.1, "sonnet-4": 3.0, "sonnet": 2.0, "fable": 8.0}
OTHER_PRICE = 4.0
"""In dollars per million tokens of input; those of output cost five times as much."""


def cost(model: str, usage: Frame) -> float:
    """Return what a response cost, in dollars."""
    price = next((dollars for part, dollars in PRICES.items() if part in model), OTHER_PRICE)
    tokens, written, read, output = (usage.get(name) or 0 for name in COUNTS)
    return (tokens + written * 1.25 + read * 0.1 + output * 5) * price / 1e6


class Totals:
    """The usage of all models since the start of the process, and that of the present turn."""

    def __init__(self) -> None:
        self.cost_usd, self.turn = 0.0, dict.fromkeys(COUNTS, 0)
        self._models: dict[str, Frame] = {}

    def begin_turn(self) -> None:
        """Count the usage of a turn from zero."""
        self.turn = dict.fromkeys(COUNTS, 0)

    def add(self, model: str, usage: Frame, *, to_turn: bool) -> None:
        """Add the usage of a response; to that of the turn only if it was complete, and not one of a subagent."""
        dollars = cost(model, usage)
        self.cost_usd += dollars
        total = self._models.setdefault(model, {**dict.fromkeys(NAMES, 0), "webSearchRequests": 0, "costUSD": 0.0})
        total["costUSD"] += dollars
        for name, count in zip(NAMES, COUNTS, strict=True):
            total[name] += usage.get(count) or 0
            if to_turn:
                self.turn[count] += usage.get(count) or 0

    def by_model(self) -> Frame:
        """Return the usage of each model, as a result reports it."""
        return {model: {**total, "contextWindow": 1_000_000} for model, total in self._models.items()}
