"""Streams of services that have not started yet: at the first start of a system, the others wait for them."""

from collections.abc import Generator
from contextlib import contextmanager

from nats.js.errors import NotFoundError
from runtime.forever import NotYet
from runtime.logging import get_logger

log = get_logger()

_missing = set[str]()
"""The streams that were reported: each of many reactions would do so, again and again."""


class StreamMissing(NotYet):
    """The service that a stream belongs to has not started yet."""


@contextmanager
def stream_required(stream: str) -> Generator[None]:
    """Use a stream of another service, which exists when that service has started; its absence is logged once.

    Raises:
        StreamMissing: it does not exist yet.
    """
    try:
        yield
    except NotFoundError:
        if stream not in _missing:
            _missing.add(stream)
            log.info("waiting for the stream of a service that has not started yet", stream=stream)
        raise StreamMissing(f"{stream} does not exist yet: start its service") from None
    _missing.discard(stream)
