"""The model of a problem, for documentation only: `gateway.problems` creates problems."""

from datetime import datetime

from pydantic import BaseModel, Field


class Invalid(BaseModel):
    """An error in one value of a request."""

    loc: list[str | int] = Field(description="Path of the value, beginning with `body` or `query`.")
    msg: str = Field(description="What is wrong with the value.")
    type: str = Field(description="Type of the error, for programs.")


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    type: str = Field(description="URN of the kind of problem; it ends with `error_code`.")
    title: str = Field(description="Short description of the kind of problem.")
    status: int = Field(description="HTTP status code.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    instance: str = Field(description="Path of the request.")
    error_code: str = Field(description="Code of the kind of problem, for programs.")
    request_id: str = Field(description="Id of the request in the logs, as in the header `X-Request-ID`.")
    timestamp: datetime = Field(description="When the problem occurred.")
    errors: list[Invalid] | None = Field(default=None, description="With status 422: the invalid values.")
    retry_after: int | None = Field(
        default=None,
        description="With 429 and 503: seconds to wait before a retry. Missing if a retry might take effect twice.",
    )
    report_id: str | None = Field(
        default=None, description="With a report that is not ready or has failed: its id, by which it can be read."
    )
    quota: str | None = Field(default=None, description="With `QUOTA_EXCEEDED`: name of the quota.")
    limit: float | None = Field(default=None, description="With `QUOTA_EXCEEDED`: the limit of the quota.")
    used: float | None = Field(default=None, description="With `QUOTA_EXCEEDED`: how much of the quota is used.")
    resets_at: datetime | None = Field(
        default=None, description="With `QUOTA_EXCEEDED`: when the quota starts again at 0; null if that is not known."
    )
    run_id: str | None = Field(default=None, description="With a failed query: id of its run, which can still be read.")
