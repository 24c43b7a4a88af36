"""Masked secrets: clients see a mask, and sending the mask back leaves the secret unchanged."""

from contracts.refusals import Code, Refusal

MASK = "***"
"""Replaces the value of a secret; a client that sends it as a value means the stored value."""


def masked(values: dict[str, str]) -> dict[str, str]:
    """Return the values with each of them replaced by the mask."""
    return dict.fromkeys(values, MASK)


def unmasked(values: dict[str, str], stored: dict[str, str], missing: Code, where: str) -> dict[str, str]:
    """Return the values with each mask replaced by the stored value of the same name.

    `where` is the field that holds the values, for the error message.

    Raises:
        Refusal: with the code `missing`, if no value is stored for a mask.
    """
    for name, value in values.items():
        if value == MASK and name not in stored:
            raise Refusal(missing, f"{where}: {name} has no stored value that {MASK} could refer to. Send its value.")
    return {name: stored[name] if value == MASK else value for name, value in values.items()}
