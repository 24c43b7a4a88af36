"""The bounds of a connection."""

from dataclasses import dataclass, field

from sandbox import Resources

PROGRAM_MEMORY_BYTES = 2**30


@dataclass(frozen=True)
class ConnectionLimits:
    """The bounds of a connection to a server, in seconds, bytes and programs."""

    connect_seconds: float = 10
    """To start or reach the server and to agree on a protocol version."""
    list_seconds: float = 10
    """For one listing, over all its pages."""
    call_seconds: float = 300
    close_seconds: float = 3
    """To say goodbye; afterwards the connection is dropped."""
    message_bytes: int = 8 * 1024 * 1024
    """Of one message of the server."""
    result_bytes: int = 1024 * 1024
    """Of the result of a call; what exceeds it is cut off."""
    programs: int = 128
    """STDIO servers that run at the same time, of all users."""
    program_resources: Resources = field(default_factory=lambda: Resources(PROGRAM_MEMORY_BYTES))
    """Of each of them."""


DEFAULT_LIMITS = ConnectionLimits()
