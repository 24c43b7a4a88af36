"""Whether the options of an agent are allowed, and which of them are in force, as roles and configuration decide."""

from contracts.identity.values import Role
from contracts.refusals import Code, Refusal
from contracts.session.session_view import EffectiveOptions
from contracts.session.values import SdkOptions

from session.ceilings import Ceiling
from session.dependencies import Context, Dependencies, Work


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


def resolved_model(options: SdkOptions, ceiling: Ceiling, offered: tuple[str, ...]) -> str | None:
    """Return the model that an agent with these options gets; None if neither they nor the operator name one."""
    return ceiling.reduced(options).model or next(iter(ceiling.usable_models(offered)), None)


def effective_options(options: SdkOptions, role: Role, dependencies: Dependencies) -> EffectiveOptions:
    """Return what the next run of a session with these options gets, if its owner has this role."""
    ceiling = dependencies.ceilings.of(role)
    model = resolved_model(options, ceiling, dependencies.models)
    reduced = ceiling.reduced(options).model_copy(update={"model": model})
    return EffectiveOptions.model_validate(reduced.model_dump(include={*EffectiveOptions.model_fields}))
