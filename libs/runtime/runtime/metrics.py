"""Metrics, by the service or library that they belong to.

The registry of `prometheus_client` is shared by all that a process has loaded, and `make run` forks services from a
process that has loaded all of them. So that registry holds only the metrics of the process itself.
"""

from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest


@cache
def metrics_of(owner: str) -> CollectorRegistry:
    """Return the registry of a service or library, which each of its metrics has to name."""
    return CollectorRegistry()


async def exposition(*owners: str) -> bytes:
    """Return the metrics of this process, of `runtime` and of these owners, in the text format of Prometheus.

    Asynchronous because those of the gateway are, which also has metrics of the system.
    """
    return b"".join(map(generate_latest, (REGISTRY, *map(metrics_of, ("runtime", *owners)))))
