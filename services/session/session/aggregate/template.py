"""SessionTemplate: what sessions can be made from."""

from typing import Any, assert_never
from uuid import UUID

from contracts.messages import Actor
from contracts.refusals import Code
from contracts.session.template import TemplateChanged, TemplateCreated, TemplateDeleted, TemplateEvent
from contracts.session.values import SdkOptions, TemplateMode
from eventing.aggregate import Aggregate


class SessionTemplate(Aggregate[TemplateEvent]):
    """Sessions take their options from it when they are made; what becomes of it later does not touch them."""

    missing = Code.TEMPLATE_NOT_FOUND

    now: TemplateChanged
    """What the template is like now."""

    @property
    def owner(self) -> UUID:
        """Who made it."""
        return self.now.user_id

    def visible_to(self, actor: Actor) -> bool:
        """Return whether it exists for an actor: a public one does for all."""
        return self.now.is_public or super().visible_to(actor)

    @property
    def sdk_options(self) -> SdkOptions:
        """What a session made from it takes, where it names nothing else."""
        return self.now.sdk_options

    @property
    def default_mode(self) -> TemplateMode:
        """The mode of a session made from it, where it names none."""
        return self.now.default_mode

    def create(self, created: TemplateCreated) -> None:
        """Make the template."""
        self.record(created.model_copy(update={"sdk_options": _without_secrets(created.sdk_options)}))

    def change(self, sdk_options: SdkOptions | None, **changed: Any) -> None:
        """Take what is not None; of the options, those that are named. Nothing new is no event."""
        update = {name: value for name, value in changed.items() if value is not None}
        if sdk_options is not None:
            update["sdk_options"] = _without_secrets(self.sdk_options.overridden_by(sdk_options))
        before = {name: getattr(self.now, name) for name in type(self.now).model_fields}
        if before | update != before:
            self.record(TemplateChanged(**before | update))

    def delete(self) -> None:
        """Remove it."""
        self.record(TemplateDeleted(user_id=self.owner))

    def apply(self, event: TemplateEvent) -> None:
        """Fold one event."""
        match event:
            case TemplateCreated() | TemplateChanged():
                self.now = TemplateChanged(**dict(event))
            case TemplateDeleted():
                self.deleted = True
            case _:
                assert_never(event)


def _without_secrets(options: SdkOptions) -> SdkOptions:
    return options.model_copy(update={"env": None}) if options.env else options
