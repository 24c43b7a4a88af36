"""What the session service does when it hears an event: a module a subject."""

from eventing.reactions import Reactions

from session.reactions import approval, archive, fork, run, session

reactions = Reactions.merge(*(run.reactions, session.reactions, approval.reactions, fork.reactions, archive.reactions))
