"""The spans of requests to the model provider, without anything of their content."""

from contextlib import AbstractContextManager

from runtime import telemetry
from runtime.telemetry import SpanKind

from session.agent.model_proxy.usage import Tokens

MAX_NAME_LENGTH = 100
"""Characters of the name of a model, which comes from a sandbox."""


def model_request(operation: str, model: str) -> AbstractContextManager[None]:
    """Return the span of a request to the model provider."""
    model = model[:MAX_NAME_LENGTH]
    attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": model,
    }
    return telemetry.span(f"{operation} {model}", SpanKind.CLIENT, attributes=attributes)


def describe_answer(status: int) -> None:
    """Add the status of the provider's answer to the span of a request."""
    telemetry.annotate({"http.response.status_code": status})
    if status >= 400:
        telemetry.fail(str(status))


def describe_usage(tokens: Tokens) -> None:
    """Add the tokens that a request has used to its span."""
    telemetry.annotate(
        {
            "gen_ai.usage.input_tokens": tokens.read,
            "gen_ai.usage.output_tokens": tokens.output,
            "gen_ai.usage.cache_read.input_tokens": tokens.cache_read,
            "gen_ai.usage.cache_creation.input_tokens": tokens.cache_written,
        }
    )
