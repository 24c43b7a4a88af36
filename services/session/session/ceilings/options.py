"""Whether the options of an agent are allowed, and which of them are in force, as roles and configuration decide."""

from typing import Any

from contracts.identity.values import Role
from contracts.refusals import Code, Refusal
from contracts.session.session_view import EffectiveOptions
from contracts.session.values import Mode, SdkOptions

from session.ceilings.rules import Ceilings


def check_options(options: SdkOptions, role: Role, ceilings: Ceilings) -> None:
    """Check that users with this role may run agents with these options.

    Raises:
        Refusal: ADMINS_ONLY, MODEL_NOT_ALLOWED, OPTION_NOT_ALLOWED.
    """
    if options.permission_mode == "bypassPermissions" and role != "admin":
        raise Refusal(Code.ADMINS_ONLY, "sdk_options.permission_mode: only admins may use bypassPermissions.")
    ceiling, offered = ceilings.of(role), ceilings.offered
    for field, model in (("model", options.model), ("fallback_model", options.fallback_model)):
        if model and not (ceiling.allows_model(model) and model in (offered or (model,))):
            usable = ", ".join(ceiling.usable_models(offered) or ceiling.models or ())
            raise Refusal(
                Code.MODEL_NOT_ALLOWED, f"sdk_options.{field}: {model} is not available; use one of {usable}."
            )
    for field, problem in ceiling.excesses(options):
        raise Refusal(Code.OPTION_NOT_ALLOWED, f"sdk_options.{field}: {problem}.")


def resolved_model(options: SdkOptions, role: Role, ceilings: Ceilings) -> str | None:
    """Return the model that an agent with these options gets; None if neither they nor the operator name one."""
    return _model(ceilings.of(role).reduced(options), role, ceilings)


def effective_options(options: SdkOptions, mode: Mode, role: Role, ceilings: Ceilings) -> EffectiveOptions:
    """Return what the next run of a session with these options gets, if its owner has this role."""
    reduced = ceilings.of(role).reduced(options)
    values: dict[str, Any] = {name: getattr(reduced, name) for name in EffectiveOptions.model_fields}
    values["model"] = _model(reduced, role, ceilings)
    values["after_crash"] = reduced.after_crash_in(mode)
    return EffectiveOptions.model_construct(**values)  # they are valid options


def _model(reduced: SdkOptions, role: Role, ceilings: Ceilings) -> str | None:
    return reduced.model or next(iter(ceilings.of(role).usable_models(ceilings.offered)), None)
