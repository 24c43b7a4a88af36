"""The preferences of a client: the headers `Prefer` (RFC 7240) and `Accept` (RFC 9110, 12.5.1)."""

from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request

EVENTS, JSON, BYTES = "text/event-stream", "application/json", "application/octet-stream"
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async`: return 202 immediately instead of waiting for the result.",
    "schema": {"type": "string", "examples": ["respond-async"]},
}
"""The header in the OpenAPI document."""


def preferred(request: Request, preference: str) -> bool:
    """Return whether a `Prefer` header of the request names this preference."""
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return preference in (word.partition(";")[0].strip().lower() for word in preferences)


def prefers_events(request: Request) -> bool:
    """Return whether the client prefers events to JSON; at equal weights, only if it names events explicitly."""
    return prefers(EVENTS, request)


def prefers(media_type: str, request: Request) -> bool:
    """Return whether the client prefers a media type to JSON; at equal weights, only if it names it explicitly."""
    weights = _weights(request.headers)
    preferred, json = _weight(media_type, weights), _weight(JSON, weights)
    return preferred > json or (preferred == json > 0 and media_type in weights)


def accepts_events(request: Request) -> bool:
    """Return whether the client accepts events."""
    return _weight(EVENTS, _weights(request.headers)) > 0


def file_type(own: str, headers: Headers) -> str:
    """Return the media type that a client with these headers gets a file in: `BYTES` if it does not accept its own."""
    weights = _weights(headers)
    accepts_own = _weight(own.partition(";")[0], weights) > 0
    return BYTES if not accepts_own and _weight(BYTES, weights) > 0 else own


def _weight(media_type: str, weights: dict[str, float]) -> float:
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")  # the most specific one applies
    return next((weights[each] for each in ranges if each in weights), 0.0) if weights else 1.0


def _weights(headers: Headers) -> dict[str, float]:
    weights = dict[str, float]()
    for part in ",".join(headers.getlist("accept")).split(","):
        media_range, *parameters = [word.strip().lower() for word in part.split(";")]
        if media_range:
            weights[media_range] = max(_quality(parameters), weights.get(media_range, 0.0))
    return weights


def _quality(parameters: list[str]) -> float:
    with suppress(ValueError):
        return next((float(word[2:]) for word in parameters if word.startswith("q=")), 1.0)
    return 1.0
