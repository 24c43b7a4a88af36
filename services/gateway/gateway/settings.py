"""What the gateway can be told."""

from pydantic import Field, PositiveFloat
from runtime.process import ProcessSettings


class Settings(ProcessSettings):
    """Where it listens, where the bus is, and how long it waits."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    nats_url: str
    ask_timeout_seconds: PositiveFloat = 5.0
    query_wait_seconds: PositiveFloat = 900.0
    stream_heartbeat_seconds: PositiveFloat = 15.0
