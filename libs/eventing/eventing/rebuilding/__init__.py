"""Builds a read model of a service's own events again, beside the live one, and swaps them in one transaction.

`ReadModel` declares what can be rebuilt. `shadow` has the new tables, `lanes` projects events into them, `swap` puts
them in place of the live ones, and `rebuild` does all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contracts.messages import Event


class CannotRebuild(Exception):
    """A read model cannot be rebuilt; the live one is as it was. The message is one line that says why."""


@dataclass(frozen=True)
class ReadModel:
    """Tables that the projection of a service writes, and all that it reads to write them.

    What no event contains is taken from the live tables. Conditions are SQL about a row of the new table, `new`, or of
    the live one, `old`; other tables in them are the new ones.
    """

    name: str
    tables: Sequence[str]
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Columns, by table, that a row has from elsewhere. The primary key is the column `id`."""
    added: Mapping[str, str] = field(default_factory=dict[str, str])
    """Which rows, by table, are kept although no event adds them, such as copies."""
    removed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Which rows, by table, are left out if the live table does not have them, because no event removes them."""
    finish: Sequence[str] = ()
    """Statements that derive the rest from all of this."""
    reads_others: Sequence[type[Event]] = ()
    """Events whose projection reads or writes rows of other aggregates."""


@dataclass(frozen=True)
class ReadModels:
    """The read models of a service, and why its other tables cannot be rebuilt, by their names."""

    models: Sequence[ReadModel] = ()
    others: Mapping[str, str] = field(default_factory=dict[str, str])

    def find(self, name: str) -> ReadModel:
        """Return the read model with a name.

        Raises:
            CannotRebuild: there is none.
        """
        for model in self.models:
            if name == model.name:
                return model
        if name in self.others:
            raise CannotRebuild(f"{name} cannot be rebuilt: {self.others[name]}.")
        raise CannotRebuild(f"There is no read model {name!r}. There are: {', '.join(m.name for m in self.models)}.")
