"""Metrics of agents: their starts, what they do, and what they spend by model."""

import time
from collections import Counter as Counted
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, get_args

from prometheus_client import Counter, Gauge, Histogram
from runtime.metrics import metrics_of

from session.agent.agent_events import Finished
from session.ceilings.model_names import FAMILIES, is_listed

if TYPE_CHECKING:
    from session.agent.live import Agent

Claim = Literal["claimed", "missed", "failed"]
OTHER = "other"
"""The label of models that are neither offered nor of a known family: what agents report must not create series."""
STATES = ("starting", "working", "warm", "prestarted")
_METRICS = metrics_of("session")
_agents = Gauge("agents", "Live agents of this service, by what they do", ["state"], registry=_METRICS)
_started = Counter(
    "agent_starts_total", "Starts of agent processes; a turn without one uses a warm agent", registry=_METRICS
)
_start_time = Histogram(
    "agent_start_duration_seconds",
    "Duration of starts of agent processes until they accept a message; failed ones are not counted",
    buckets=(0.1, 0.25, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30),
    registry=_METRICS,
)
_claims = Counter(
    "agent_claims_total",
    "New sessions that could use a prestarted agent: claimed, missed if there was none, or failed",
    ["outcome"],
    registry=_METRICS,
)
for _outcome in get_args(Claim):  # a rate is 0 before the first one, not missing
    _claims.labels(_outcome)
_claim_time = Histogram(
    "agent_claim_duration_seconds",
    "Duration of claims of prestarted agents until they accept a message; failed ones are not counted",
    buckets=(0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10),
    registry=_METRICS,
)
_cost = Counter("model_cost_usd", "Cost of turns in US dollars, by model", ["model"], registry=_METRICS)
_tokens = Counter(
    "model_tokens",
    "Tokens of turns, by model; the input includes what was read from the cache",
    ["model", "direction"],
    registry=_METRICS,
)


@contextmanager
def counted_start(agent: "Agent") -> Generator[None]:
    """Count the start of an agent in the block, and its duration if it succeeds."""
    _started.inc()
    began = time.perf_counter()
    yield
    _start_time.observe(time.perf_counter() - began)
    agent.started = True


@contextmanager
def counted_claim() -> Generator[None]:
    """Count the claim of a prestarted agent in the block, and its duration if it succeeds."""
    began = time.perf_counter()
    yield
    _claim_time.observe(time.perf_counter() - began)
    count_claim("claimed")


def count_claim(outcome: Claim) -> None:
    """Count a new session that could use a prestarted agent, by the outcome."""
    _claims.labels(outcome).inc()


def count_agents(live: "Iterable[Agent]", prestarted: int) -> None:
    """Set the gauge of the agents of this replica."""
    number = Counted("warm" if not a.busy else "working" if a.started else "starting" for a in live)
    number["prestarted"] = prestarted
    for state in STATES:
        _agents.labels(state).set(number[state])


def counted(finished: Finished, model: str | None, offered: Sequence[str]) -> Finished:
    """Count what a turn has spent on a model, one of those `offered`, of a known family, or another; return its end.

    The costs of users are in the database (`session.projections.cost`).
    """
    name = next((name for name in (*offered, *FAMILIES) if model and is_listed(model, name)), OTHER)
    _cost.labels(name).inc(float(finished.cost_usd))
    _tokens.labels(name, "input").inc(finished.input_tokens)
    _tokens.labels(name, "output").inc(finished.output_tokens)
    return finished
