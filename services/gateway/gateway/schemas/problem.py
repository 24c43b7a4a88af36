"""A problem, for the documentation alone: `gateway.problems` writes them."""

from datetime import datetime

from pydantic import BaseModel, Field


class Invalid(BaseModel):
    """One thing that is wrong with a request."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    error_code: str
    timestamp: datetime
    errors: list[Invalid] | None = Field(default=None, description="With `VALIDATION_ERROR`: what is wrong, and where.")
    retry_after: int | None = Field(
        default=None,
        description="With 429 and 503: seconds after which to try again; none where that may do something twice.",
    )
    run_id: str | None = Field(default=None, description="With a failed query: its run, which can still be read.")
