"""The decisions of a webhook."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from contracts.refusals import Code
from contracts.samples import DELIVERY, USER, WEBHOOK
from contracts.webhook.delivery import RedeliveryRequested, RedeliverySinceRequested, WebhookTested
from contracts.webhook.webhook import (
    SecretRotated,
    WebhookChanges,
    WebhookCreated,
    WebhookDeleted,
    WebhookDisabled,
    WebhookEnabled,
    WebhookSecretsSet,
    WebhookUpdated,
)
from eventing.testing import Given, refused, replayed
from webhook.aggregate import MAX_DESCRIPTION, MAX_URL, OVERLAP, Webhook

from .samples import definition

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
OWNER_ID = UUID(USER)
CREATED = WebhookCreated(user_id=OWNER_ID, definition=definition()), WebhookSecretsSet(current="first")


def new() -> Webhook:
    return Webhook(UUID(WEBHOOK))


def given(*events: Any) -> Given[Webhook]:
    return Given(new(), *CREATED, *events)


def test_a_new_webhook_is_active_and_has_a_secret() -> None:
    created = Given(new()).when(lambda webhook: webhook.create(OWNER_ID, definition(), "first"))
    created.then(*CREATED)
    assert (created.aggregate.is_active, created.aggregate.owner) == (True, OWNER_ID)


@pytest.mark.parametrize(
    "url",
    [
        *("", "ops.example.com", "ftp://ops.example.com", "https://", "https://a:b@ops.example.com", "https://a b.com"),
        *("https://ops.example.com/#top", "https://ops.example.com:0", "https://ops.example.com:65536", "https://h:x"),
        *("https://ops.example.com/\n", "https://ops.example.com/\xe4", f"https://ops.example.com/{'a' * MAX_URL}"),
    ],
)
def test_a_url_that_no_request_can_be_sent_to_is_refused(url: str) -> None:
    assert "url" in refused(Code.INVALID_WEBHOOK, lambda: new().create(OWNER_ID, definition(url=url), "first"))


@pytest.mark.parametrize("url", ["http://h", "https://ops.example.com:8443/a?b=c", "https://[2606:4700::1]:443/"])
def test_urls_of_http_are_accepted(url: str) -> None:
    new().create(OWNER_ID, definition(url=url), "first")


@pytest.mark.parametrize(
    "pattern", ["session.creatd", "session", "", "billing.paid", "session.*,task.*", "a.b.c", "\0"]
)
def test_an_unknown_type_is_refused(pattern: str) -> None:
    refused(Code.INVALID_EVENT_NAME, lambda: new().create(OWNER_ID, definition(types=[pattern]), "first"))


@pytest.mark.parametrize("pattern", ["*", "*.*", "session.*", "*.created", "task.execution_*", "webhook.disabled"])
def test_types_may_have_wildcards(pattern: str) -> None:
    new().create(OWNER_ID, definition(types=[pattern]), "first")


@pytest.mark.parametrize(
    "field",
    [
        {"types": []},
        {"types": ["session.*"] * 33},
        {"description": "a" * (MAX_DESCRIPTION + 1)},
        {"payload_version": 0},
        {"payload_version": 2},
    ],
    ids=lambda field: next(iter(field)),
)
def test_other_fields_are_bounded(field: dict[str, Any]) -> None:
    refused(Code.INVALID_WEBHOOK, lambda: new().create(OWNER_ID, definition(**field), "first"))


def test_only_the_fields_that_are_set_are_changed() -> None:
    changed = definition(types=["task.*"])
    given().when(lambda webhook: webhook.change(WebhookChanges(types=["task.*"]))).then(
        WebhookUpdated(definition=changed)
    )


def test_a_change_of_nothing_records_nothing() -> None:
    given().when(lambda webhook: webhook.change(WebhookChanges(types=["session.*"], is_active=True))).then()


def test_a_webhook_can_be_disabled_and_activated_again() -> None:
    disabled = WebhookDisabled(reason="requested")
    given().when(lambda webhook: webhook.change(WebhookChanges(is_active=False))).then(disabled)
    given(disabled).when(lambda webhook: webhook.change(WebhookChanges(is_active=True))).then(WebhookEnabled())


def test_a_disabled_webhook_is_not_disabled_twice() -> None:
    given(WebhookDisabled(reason="gone")).when(lambda webhook: webhook.disable("failing")).then()


def test_the_previous_secret_is_kept_for_a_day() -> None:
    rotated = WebhookSecretsSet(current="second", previous="first", previous_until=NOW + OVERLAP)
    given().when(lambda webhook: webhook.rotate("second", NOW)).then(SecretRotated(), rotated)


def test_only_one_previous_secret_is_kept() -> None:
    webhook = given().aggregate
    webhook.rotate("second", NOW)
    webhook.rotate("third", NOW + timedelta(hours=1))
    assert (webhook.keys.current, webhook.keys.previous) == ("third", "second")


def test_deliveries_are_repeated_on_request() -> None:
    id = UUID(DELIVERY)
    given().when(lambda webhook: webhook.redeliver(id)).then(RedeliveryRequested(delivery_id=id))
    since = RedeliverySinceRequested(since=NOW, only_failed=True)
    given().when(lambda webhook: webhook.redeliver_since(NOW, only_failed=True)).then(since)


def test_a_disabled_webhook_is_tested_but_repeats_nothing() -> None:
    disabled, id = given(WebhookDisabled(reason="gone")), UUID(DELIVERY)
    disabled.when(lambda webhook: webhook.redeliver(id)).refused(Code.WEBHOOK_DISABLED)
    disabled.when(lambda webhook: webhook.redeliver_since(NOW, only_failed=False)).refused(Code.WEBHOOK_DISABLED)
    disabled.when(lambda webhook: webhook.test(id)).then(WebhookTested(delivery_id=id))


def test_a_deleted_webhook_is_not_active() -> None:
    deleted = given(WebhookDeleted(user_id=OWNER_ID)).aggregate
    assert (deleted.deleted, deleted.is_active) == (True, False)


def test_a_webhook_is_read_back_as_it_was() -> None:
    webhook = new()
    webhook.create(OWNER_ID, definition(), "first")
    webhook.rotate("second", NOW)
    webhook.disable("gone")
    copy = replayed(webhook)
    assert (copy.definition, copy.keys, copy.is_active) == (webhook.definition, webhook.keys, False)
