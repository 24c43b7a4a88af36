"""Settings that hold several values: `name=value` or, for one role, `role.name=value`, separated by commas."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contracts.identity.values import ROLES, Role

MAX_SHOWN = 100
"""The number of characters of a wrong entry that an error contains."""


def of_role[T](values: Mapping[str, T], role: Role, name: str, default: T) -> T:
    """Return the value of a role under a name: its own one, else that of all roles, else `default`."""
    return values.get(f"{role}.{name}", values.get(name, default))


@dataclass(frozen=True)
class NamedValues[T]:
    """The form of one setting.

    `names` may follow one of the `roles` and a dot; `alone` are names that may not. `read` gets a name, with its role,
    and a text, and returns the value; it raises ValueError with what the text must be. `unnamed` is the name of a value
    that is written without one; None if each value needs a name. `example` is a whole setting.
    """

    read: Callable[[str, str], T]
    example: str
    names: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    roles: tuple[str, ...] = ROLES
    unnamed: str | None = None

    def parse(self, text: str) -> dict[str, T]:
        """Return the values by name. Empty entries, and spaces around names and values, are ignored.

        Raises:
            ValueError: an entry is not of the form, or has an unknown name, a name for the second time, or a wrong
                value. The message has its position, the entry, what is wrong with it, and the example.
        """
        values: dict[str, T] = {}
        for position, entry in enumerate(map(str.strip, text.split(",")), start=1):
            try:
                if entry:
                    self._add(entry, values)
            except ValueError as error:
                shown = entry if len(entry) <= MAX_SHOWN else f"{entry[:MAX_SHOWN]}..."
                raise ValueError(f"entry {position}, {shown!r}: {error}; an example is {self.example}") from None
        return values

    def _add(self, entry: str, values: dict[str, T]) -> None:
        name, value = self._split(entry)
        if name in values:
            raise ValueError(f"{name or 'a value without a name'} is given twice")
        values[name] = self.read(name, value)

    def _split(self, entry: str) -> tuple[str, str]:
        name, equals, value = map(str.strip, entry.partition("="))
        if not equals and self.unnamed is not None:
            return self.unnamed, entry
        role, dot, own = name.rpartition(".")
        if not equals or not (name in self.alone or (own in self.names and (not dot or role in self.roles))):
            raise ValueError(f"must be {self._known_names}, followed by = and a value")
        return name, value

    @property
    def _known_names(self) -> str:
        known = f"one of {', '.join((*self.alone, *self.names))}"
        return f"{known}, or for one role like {self.roles[0]}.{self.names[0]}" if self.names else known
