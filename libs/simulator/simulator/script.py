"""The format of scripts: the responses to a prompt, in order."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

MAX_WAIT_SECONDS = 300

type Seconds = Annotated[float, Field(ge=0, le=MAX_WAIT_SECONDS)]


class Strict(BaseModel):
    """A part of a script. Unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolCall(Strict):
    """A tool that the model calls."""

    name: str = Field(min_length=1)
    input: dict[str, JsonValue] = {}


class Turn(Strict):
    """One response of the model. An empty one gets the answer of a prompt without a script."""

    text: str | None = None
    thinking: str | None = None
    tools: tuple[ToolCall, ...] = ()
    recall: bool = False
    hang: Seconds = 0
    delay: Seconds = 0
    chunks: int = Field(default=1, ge=1, le=10_000)
    chunk_delay: Seconds = 0
    stall: Seconds = 0
    cut: bool = False
    status: int | None = Field(default=None, ge=400, le=599)
    times: int | None = Field(default=None, ge=1)
    then: "Turn | None" = None
    input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)

    @property
    def is_empty(self) -> bool:
        """Whether the turn has no answer of its own."""
        return self.text is None and not self.tools and not self.recall

    @model_validator(mode="after")
    def _is_playable(self) -> Self:
        if self.times and not (self.status or self.stall):
            raise ValueError("`times` counts failures or stalls, so it requires `status` or `stall`")
        if self.then and not self.times:
            raise ValueError("`then` follows failures or stalls, so it requires `times`")
        if self.chunks * self.chunk_delay > MAX_WAIT_SECONDS:
            raise ValueError(f"`chunks` times `chunk_delay` must be at most {MAX_WAIT_SECONDS} seconds")
        return self


class Script(Strict):
    """The responses to a prompt, in order; the last one repeats."""

    turns: list[Turn] = Field(min_length=1)


def describe_errors(error: ValidationError) -> str:
    """Return every invalid field with the reason, without the wording that is pydantic's own."""
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, e["loc"])), _reason(e["type"], e["msg"])))) for e in error.errors()
    )


def _reason(kind: str, message: str) -> str:
    match kind:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "this field is required"
        case _:
            return message.removeprefix("Value error, ").replace("Input should", "must")
