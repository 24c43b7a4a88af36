"""Checks of an agent's options that depend on the actor and on the configuration."""

from contracts.refusals import Code, Refusal
from contracts.session.values import SdkOptions

from session.dependencies import Context, Work


def check_options(options: SdkOptions, context: Work | Context) -> None:
    """Check that the actor may run an agent with these options.

    Raises:
        Refusal: ADMINS_ONLY, MODEL_NOT_ALLOWED, OPTION_NOT_ALLOWED.
    """
    if options.permission_mode == "bypassPermissions" and context.actor.role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "sdk_options.permission_mode: only admins may use bypassPermissions.")
    ceiling, offered = context.dependencies.ceilings.of(context.actor.role), context.dependencies.models
    for field, model in (("model", options.model), ("fallback_model", options.fallback_model)):
        if model and not (ceiling.allows_model(model) and model in (offered or (model,))):
            usable = ", ".join(ceiling.usable_models(offered) or ceiling.models or ())
            raise Refusal(
                Code.MODEL_NOT_ALLOWED, f"sdk_options.{field}: {model} is not available; use one of {usable}."
            )
    for field, problem in ceiling.excesses(options):
        raise Refusal(Code.OPTION_NOT_ALLOWED, f"sdk_options.{field}: {problem}.")
