"""Which rows of a table a list is made of."""


class Filters:
    """Conditions that come together one by one; what nobody asked for (None) is none."""

    def __init__(self, **equal: object) -> None:
        self.values: list[object] = []
        self._conditions: list[str] = []
        for column, value in equal.items():
            self.add(column + " = {}", value)

    def add(self, condition: str, value: object) -> None:
        """Add a condition in which `{}` stands for the value."""
        if value is not None:
            self.values.append(value)
            self._conditions.append(condition.format(f"${len(self.values)}"))

    @property
    def where(self) -> str:
        """The conditions, as SQL whose parameters are `values`."""
        return " AND ".join(self._conditions) or "true"
