"""The reactions of the session service, one module per subject."""

from eventing.reactions import Reactions

from session.reactions import approval, archive, cancellation, fork, preparing, run, session

reactions = Reactions.merge(
    run.reactions,
    session.reactions,
    approval.reactions,
    cancellation.reactions,
    fork.reactions,
    archive.reactions,
    preparing.reactions,
)
