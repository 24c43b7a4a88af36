"""The read models that can be rebuilt from the events of this service."""

from eventing.rebuilding import ReadModel, ReadModels

NO_EVENTS = "deliveries are no events"

READ_MODELS = ReadModels(
    (ReadModel("webhooks", ("webhooks",), kept={"webhooks": ("failing_since", "failures")}),),
    {"deliveries": NO_EVENTS, "lanes": NO_EVENTS, "payloads": NO_EVENTS, "webhook_secrets": "it contains secrets"},
)
