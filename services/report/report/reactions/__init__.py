"""The reactions of the report service, one module per subject."""

from eventing.reactions import Reactions

from report.reactions import creation, deletion, task

reactions = Reactions.merge(creation.reactions, deletion.reactions, task.reactions)
