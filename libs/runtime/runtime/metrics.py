"""Metrics, by the service or library that they belong to.

The registry of `prometheus_client` is shared by all that a process has loaded, and `make run` forks services from a
process that has loaded all of them. So that registry holds only the metrics of the process itself.

Most metrics are counted as things happen. What is only known by asking is measured when it is scraped (`Scrapes`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runtime.logging import get_logger

log = get_logger()

disable_created_metrics()  # the time at which a series was created doubles the number of series, and nobody reads it

VERSION = version("agentapi-runtime")
MAX_AGE_SECONDS, MEASURING_SECONDS = 10.0, 1.0
"""How long what was measured is reported again, however many scrapers there are, and how long measuring may take."""

type Labels = tuple[str, ...]
type Values = Mapping["Measured", Mapping[Labels, float]]
type Measure = Callable[[], Awaitable[Values]]
"""Measures some metrics, and returns the value of each by its labels."""


@cache
def metrics_of(owner: str) -> CollectorRegistry:
    """Return the registry of a service or library, which each of its metrics has to name."""
    return CollectorRegistry()


_build = Gauge(
    "build_info", "1; the label has the version of the service", ["service", "version"], registry=metrics_of("runtime")
)
_unmeasured = Counter(
    "measurements_failed",
    "Measurements for a scrape that failed or took too long; what they measure is missing in it",
    registry=metrics_of("runtime"),
)


class Measured(Collector):
    """A metric of what replicas share, such as rows of their database, measured when it is scraped.

    All replicas report the same, so the truth is their `max`, not their sum. It is absent while it is unknown.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        registry: CollectorRegistry,
        family: type[CounterMetricFamily | GaugeMetricFamily] = GaugeMetricFamily,
    ) -> None:
        self.name, self.documentation, self.labels, self.family = name, documentation, tuple(labels), family
        self.values: Mapping[Labels, float] = {}
        registry.register(self)

    def describe(self) -> list[Metric]:
        """Return the metric without values."""
        return [self.family(self.name, self.documentation, labels=self.labels)]

    def collect(self) -> Iterator[Metric]:
        """Yield the metric with the values that were measured last."""
        family = self.family(self.name, self.documentation, labels=self.labels)
        for labels, value in sorted(self.values.items()):
            family.add_metric(labels, value)
        yield family


class Scrapes:
    """What a service exposes: its metrics, those of the named libraries, of `runtime`, and of the process itself."""

    def __init__(self, service: str, *libraries: str, measures: Sequence[Measure] = ()) -> None:
        self.owners, self.measures = ("runtime", *libraries, service), measures
        self._known = dict[Measure, Values]()
        self._measured_at, self._lock = -MAX_AGE_SECONDS, asyncio.Lock()
        _build.labels(service, VERSION).set(1)

    async def exposition(self) -> bytes:
        """Return all metrics in the text format of Prometheus, without those that cannot be measured within 1 s."""
        async with self._lock:
            if time.monotonic() - self._measured_at >= MAX_AGE_SECONDS:
                await asyncio.gather(*map(self._update, self.measures))
                self._measured_at = time.monotonic()
        return b"".join(map(generate_latest, (REGISTRY, *map(metrics_of, self.owners))))

    async def _update(self, measure: Measure) -> None:
        for metric in self._known.pop(measure, {}):
            metric.values = {}
        try:
            async with asyncio.timeout(MEASURING_SECONDS):
                self._known[measure] = await measure()
        except Exception as error:  # noqa: BLE001  whatever fails, the other metrics are exposed
            _unmeasured.inc()
            log.warning("metrics could not be measured", error=repr(error))
        for metric, values in self._known.get(measure, {}).items():
            metric.values = values
