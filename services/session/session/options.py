"""Checks of an agent's options that depend on the actor and on the configuration."""

from contracts.refusals import Code, Refusal
from contracts.session.values import SdkOptions

from session.dependencies import Context, Work


def check_options(options: SdkOptions, context: Work | Context) -> None:
    """Check that the actor may run an agent with these options.

    Raises:
        Refusal: ADMINS_ONLY, MODEL_NOT_ALLOWED.
    """
    if options.permission_mode == "bypassPermissions" and context.actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "sdk_options.permission_mode: only admins may use bypassPermissions.")
    for field, model in (("model", options.model), ("fallback_model", options.fallback_model)):
        if model and context.dependencies.models and model not in context.dependencies.models:
            offered = ", ".join(context.dependencies.models)
            raise Refusal(
                Code.MODEL_NOT_ALLOWED, f"sdk_options.{field}: {model} is not available; use one of {offered}."
            )
