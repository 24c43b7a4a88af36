"""What a client would rather have: the headers `Prefer` (RFC 7240) and `Accept` (RFC 9110, 12.5.1)."""

from contextlib import suppress

from starlette.requests import Request

EVENTS, JSON = "text/event-stream", "application/json"


def preferred(request: Request, preference: str) -> bool:
    """Whether the client asks for this preference, in any of the headers."""
    wanted = ",".join(request.headers.getlist("prefer")).split(",")
    return preference in (word.partition(";")[0].strip().lower() for word in wanted)


def prefers_events(request: Request) -> bool:
    """Whether the client wants events rather than JSON; who takes both alike has to name events to get them."""
    weights = _weights(request)
    events, json = _weight(EVENTS, weights), _weight(JSON, weights)
    return events > json or (events == json > 0 and EVENTS in weights)


def takes_events(request: Request) -> bool:
    """Whether the client takes events at all."""
    return _weight(EVENTS, _weights(request)) > 0


def _weight(media_type: str, weights: dict[str, float]) -> float:
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")  # the most specific one counts
    return next((weights[each] for each in ranges if each in weights), 0.0) if weights else 1.0


def _weights(request: Request) -> dict[str, float]:
    weights = dict[str, float]()
    for part in ",".join(request.headers.getlist("accept")).split(","):
        media_range, *parameters = [word.strip().lower() for word in part.split(";")]
        if media_range:
            weights[media_range] = max(_quality(parameters), weights.get(media_range, 0.0))
    return weights


def _quality(parameters: list[str]) -> float:
    with suppress(ValueError):
        return next((float(word[2:]) for word in parameters if word.startswith("q=")), 1.0)
    return 1.0
