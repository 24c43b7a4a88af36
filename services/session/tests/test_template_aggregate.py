"""The decisions of a template."""

from uuid import UUID

import pytest
from contracts.samples import TEMPLATE
from contracts.session.template import TemplateChanged, TemplateCreated
from contracts.session.values import SdkOptions
from session.aggregate import SessionTemplate


@pytest.fixture
def template() -> SessionTemplate:
    template = SessionTemplate(UUID(TEMPLATE))
    template.create(TemplateCreated.example())
    template.mark_committed()
    return template


def test_a_change_records_all_fields(template: SessionTemplate) -> None:
    template.change(None, name="DevOps")
    assert template.pending == [TemplateChanged.model_validate(TemplateCreated.sample | {"name": "DevOps"})]


def test_a_change_keeps_the_options_that_it_does_not_name(template: SessionTemplate) -> None:
    template.change(SdkOptions(model="m"))
    template.change(SdkOptions(allowed_tools=None, max_turns=3))
    now = template.sdk_options
    assert (now.model, now.allowed_tools, now.max_turns) == ("m", None, 3)


def test_a_template_contains_no_environment_variables(template: SessionTemplate) -> None:
    template.change(SdkOptions(model="m", env={"TOKEN": "plantedsecret"}))
    template.create(
        TemplateCreated.example().model_copy(update={"sdk_options": SdkOptions(env={"TOKEN": "plantedsecret"})})
    )
    assert len(template.pending) == 2
    assert "plantedsecret" not in str([event.model_dump() for event in template.pending])


def test_a_change_to_the_current_values_records_nothing(template: SessionTemplate) -> None:
    template.change(SdkOptions(permission_mode="default"), name="DevOps Investigation Template")
    assert template.pending == []
