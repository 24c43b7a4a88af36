"""SessionTemplate: what sessions can be made from."""

from typing import Any, assert_never
from uuid import UUID

from contracts.session.templates import (
    TemplateChanged,
    TemplateCreated,
    TemplateDeleted,
    TemplateFact,
    TemplateUsed,
)
from contracts.session.values import SdkOptions, TemplateMode
from eventing.aggregate import Aggregate


class SessionTemplate(Aggregate[TemplateFact]):
    """Sessions take their options from it when they are made; what becomes of it later does not touch them."""

    now: TemplateCreated | TemplateChanged
    """The fact that says what the template is like now."""

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.deleted = False
        self.used_by = set[UUID]()

    @property
    def user_id(self) -> UUID:
        """Whose it is."""
        return self.now.user_id

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
        self.record(created)

    def change(self, sdk_options: SdkOptions | None, **changed: Any) -> None:
        """Take what is not None; of the options, those that are named. Nothing new is no fact."""
        update = {name: value for name, value in changed.items() if value is not None}
        if sdk_options is not None:
            update["sdk_options"] = self.sdk_options.with_named(sdk_options)
        before = {name: getattr(self.now, name) for name in type(self.now).model_fields}
        if before | update != before:
            self.record(TemplateChanged(**before | update))

    def count_use(self, session_id: UUID) -> None:
        """Count a session that was made from it, once."""
        if session_id not in self.used_by:
            self.record(TemplateUsed(session_id=session_id))

    def delete(self) -> None:
        """Remove it."""
        self.record(TemplateDeleted(user_id=self.user_id))

    def apply(self, fact: TemplateFact) -> None:
        """Fold one fact."""
        match fact:
            case TemplateCreated() | TemplateChanged():
                self.now = fact
            case TemplateUsed():
                self.used_by.add(fact.session_id)
            case TemplateDeleted():
                self.deleted = True
            case _:
                assert_never(fact)
