"""Secret values: shown as a mask, and left as they are by a client that sends the mask back."""

from contracts.refusals import Code, Refusal

MASK = "***"
"""Stands for the value of a secret; sent as a value, for the one that is stored already."""


def masked(values: dict[str, str]) -> dict[str, str]:
    """Return the names, each with the mask in place of its value."""
    return dict.fromkeys(values, MASK)


def unmasked(values: dict[str, str], stored: dict[str, str], missing: Code, where: str) -> dict[str, str]:
    """Return the values, each mask replaced by the stored value of the same name; `where` names their field.

    Raises:
        Refusal: as `missing`; a mask stands for a value that is not stored.
    """
    for name, value in values.items():
        if value == MASK and name not in stored:
            raise Refusal(missing, f"{where}: {name} has no value that {MASK} could stand for.")
    return {name: stored[name] if value == MASK else value for name, value in values.items()}
