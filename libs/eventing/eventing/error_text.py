"""Text for errors about messages and events that cannot be read."""

from pydantic import ValidationError


def describe_error(error: Exception) -> str:
    """Return a description for logs and operators, without the input: pydantic would repeat it, secrets included."""
    if isinstance(error, ValidationError):
        return str(error.errors(include_input=False, include_url=False, include_context=False))
    return repr(error)
