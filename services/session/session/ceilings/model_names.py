"""Names of models: those of the provider, and the aliases that Claude Code resolves."""

FAMILIES = ("fable", "haiku", "opus", "sonnet")
"""Aliases that Claude Code resolves to the newest model of a family."""
LONG_CONTEXT = "[1m]"
"""Suffix of model names in Claude Code that is not part of the name in requests to the provider."""


def is_listed(model: str, listed: str) -> bool:
    """Return whether the provider's name of a model matches a listed name, which may be that of a family."""
    name = listed.removesuffix(LONG_CONTEXT)
    return model == name or (name in FAMILIES and model.startswith("claude-") and name in model)
