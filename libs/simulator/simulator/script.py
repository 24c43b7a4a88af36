"""What a script is made of: the responses to a prompt, one after the other."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

MAX_WAIT = 300

type Seconds = Annotated[float, Field(ge=0, le=MAX_WAIT)]


class Strict(BaseModel):
    """A part of a script: an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolCall(Strict):
    """A tool that the model calls."""

    name: str = Field(min_length=1)
    input: dict[str, JsonValue] = {}


class Turn(Strict):
    """One response of the model; one that says nothing gets the answer of a prompt without a script."""

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
    def says_nothing(self) -> bool:
        """Whether the answer is still to be found."""
        return self.text is None and not self.tools and not self.recall

    @model_validator(mode="after")
    def _is_playable(self) -> Self:
        if self.times and not self.status:
            raise ValueError("`times` counts failures: it needs `status`")
        if self.then and not self.times:
            raise ValueError("`then` follows failures: it needs `times`")
        if self.chunks * self.chunk_delay > MAX_WAIT:
            raise ValueError(f"`chunks` times `chunk_delay` is more than {MAX_WAIT} seconds")
        return self


class Script(Strict):
    """The responses to a prompt, in order; the last one repeats."""

    turns: list[Turn] = Field(min_length=1)


def places(error: ValidationError) -> str:
    """Name every wrong field and what is wrong with it."""
    return "; ".join(": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"]))) for e in error.errors())
