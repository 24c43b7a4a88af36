"""SessionTemplate: the defaults that sessions can be created with."""

from typing import Any, assert_never
from uuid import UUID

from contracts.messages import Actor
from contracts.refusals import Code
from contracts.session.template import TemplateChanged, TemplateCreated, TemplateDeleted, TemplateEvent
from contracts.session.values import SdkOptions, TemplateMode
from eventing.aggregate import Aggregate


class SessionTemplate(Aggregate[TemplateEvent]):
    """A session template. Sessions copy its options when they are created; later changes do not affect them."""

    missing = Code.TEMPLATE_NOT_FOUND

    now: TemplateChanged
    """The current fields of the template."""

    @property
    def owner(self) -> UUID:
        """The user who created the template."""
        return self.now.user_id

    def visible_to(self, actor: Actor) -> bool:
        """Return whether an actor may see the template; public ones are visible to all."""
        return self.now.is_public or super().visible_to(actor)

    @property
    def sdk_options(self) -> SdkOptions:
        """The default options of a session created from it."""
        return self.now.sdk_options

    @property
    def default_mode(self) -> TemplateMode:
        """The default mode of a session created from it."""
        return self.now.default_mode

    def create(self, created: TemplateCreated) -> None:
        """Create the template."""
        self.record(created.model_copy(update={"sdk_options": _without_secrets(created.sdk_options)}))

    def change(self, sdk_options: SdkOptions | None, **changed: Any) -> None:
        """Change the fields that are not None, and the options that are set. Records nothing if nothing changes."""
        update = {name: value for name, value in changed.items() if value is not None}
        if sdk_options is not None:
            update["sdk_options"] = _without_secrets(self.sdk_options.overridden_by(sdk_options))
        before = {name: getattr(self.now, name) for name in type(self.now).model_fields}
        if before | update != before:
            self.record(TemplateChanged(**before | update))

    def delete(self) -> None:
        """Delete the template."""
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
