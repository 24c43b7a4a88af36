"""What of an agent's options depends on who asks."""

from typing import Any

from contracts.refusals import Code, Refusal
from contracts.session.values import SdkOptions
from eventing.handling import UnitOfWork


def check_options(options: SdkOptions, work: UnitOfWork[Any]) -> None:
    """See that the actor may run an agent with these options.

    Raises:
        Refusal: ADMINS_ONLY.
    """
    if options.permission_mode == "bypassPermissions" and work.actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "sdk_options.permission_mode: bypassPermissions is for admins only.")
