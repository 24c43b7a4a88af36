"""What is wrong with a message or an event that cannot be read."""

from pydantic import ValidationError


def without_input(error: Exception) -> str:
    """Say it for logs and operators: pydantic repeats what it was given, and that may hold a secret."""
    if isinstance(error, ValidationError):
        return str(error.errors(include_input=False, include_url=False, include_context=False))
    return repr(error)
