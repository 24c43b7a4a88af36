"""What a client would rather have: the header `Prefer` (RFC 7240)."""

from starlette.requests import Request


def preferred(request: Request, preference: str) -> bool:
    """Whether the client asks for this preference, in any of the headers."""
    wanted = ",".join(request.headers.getlist("prefer")).split(",")
    return preference in (word.partition(";")[0].strip().lower() for word in wanted)
