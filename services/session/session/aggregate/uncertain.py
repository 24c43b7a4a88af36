"""The calls of a run whose outcome is unknown, and which are therefore not repeated unless a person approves it."""

from dataclasses import dataclass, field
from uuid import UUID

from contracts.session.settling import UnknownCall
from contracts.session.values import Decision

MAX_UNCERTAIN = 400
"""The number of calls that are kept, the newest."""


@dataclass
class Uncertain:
    """Calls of unknown outcome.

    `repeats` has whether it was denied to repeat them, by what identical calls have in common. `lost` has the model's
    ids of those in progress that a lost agent had begun.
    """

    repeats: dict[UUID, bool] = field(default_factory=dict[UUID, bool])
    lost: dict[str, UUID] = field(default_factory=dict[str, UUID])

    @property
    def undecided(self) -> bool:
        """Whether nobody has decided about one of the calls."""
        return not all(self.repeats.values())

    def apply_unknown(self, calls: list[UnknownCall]) -> None:
        """Fold: the outcome of calls is unknown."""
        for call in calls:
            self.repeats.pop(call.key, None)
            self.repeats[call.key] = False
            self.lost[call.tool_use_id] = call.key
        for oldest in list(self.repeats)[:-MAX_UNCERTAIN]:
            del self.repeats[oldest]

    def apply_decision(self, key: UUID, decision: Decision) -> None:
        """Fold: the repetition of a call is approved, once, or is not, for all of the run."""
        if decision == "approved":
            self.repeats.pop(key, None)
        elif key in self.repeats:
            self.repeats[key] = True
