"""The events that a task may start on."""

from contracts.catalogue import PUBLISHED_EVENTS
from contracts.refusals import Code, Refusal


def check_event_names(names: list[str]) -> None:
    """Check the events that a task is to start on: public names, or a service with `.*`.

    Raises:
        Refusal: INVALID_EVENT_NAME.
    """
    public = {event.subject.removeprefix("evt.") for event in PUBLISHED_EVENTS}
    known = public | {f"{name.partition('.')[0]}.*" for name in public}
    for name in names:
        if name not in known:
            raise Refusal(Code.INVALID_EVENT_NAME, f"on: there is no event {name}.")
