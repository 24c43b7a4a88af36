"""The names that processes agree on, each written once: changing one is a change of the protocol.

The subjects of messages stand in their classes (`Message.subject`), the names of durable consumers beside their
reactions.
"""

EVENT_PREFIX, WORK_PREFIX = "evt", "work"
"""What the subjects of events begin with, and those of what is to be done because of one."""
DEAD_LETTERS, DEAD_LETTER_SUBJECTS = "DEAD_LETTERS", "dead.>"

REVOCATIONS = "REVOCATIONS"
"""The key-value bucket with the ids of revoked token families."""
REVOCATIONS_COMPLETE = "complete"
"""The key that says that the bucket holds all revocations."""

TOKEN_ISSUER = TOKEN_AUDIENCE = "agentapi"
TOKEN_ALGORITHM = "EdDSA"

MAX_INLINE_BYTES = 16 * 1024
"""Bytes of a value that is shown whole in lists and streams; a page of such values is below what the bus carries."""
PREVIEW_CHARACTERS = 1000
"""Characters that are shown of a value that is larger. Alone, a value is shown whole."""
MAX_PART_BYTES = 512 * 1024
"""Bytes of a file that one message carries."""
MAX_UPLOAD_BYTES = 5 * 1024 * 1024
"""Bytes that a client may upload in one request."""


def event_stream(service: str) -> str:
    """Return the name of the stream that holds a service's events."""
    return f"EVT_{service.upper()}"


def event_filter(service: str) -> str:
    """Return the filter for all events of a service."""
    return f"{EVENT_PREFIX}.{service}.>"


def event_name(subject: str) -> str:
    """Return what clients call the events of a subject: `session.created`, for `evt.session.created` and all below."""
    _, service, name, *_ = subject.split(".")
    return f"{service}.{name}"


def work_stream(service: str) -> str:
    """Return the name of the stream that holds what a service's workers have to do."""
    return f"WORK_{service.upper()}"


def work_filter(service: str) -> str:
    """Return the filter for all work of a service."""
    return f"{WORK_PREFIX}.{service}.>"


def to_work_subject(event_subject: str) -> str:
    """Return the subject of the work that an event makes: `work.session.run_requested.<owner>.<session id>`."""
    return f"{WORK_PREFIX}.{event_subject.removeprefix(f'{EVENT_PREFIX}.')}"


def dead_letter_subject(service: str, name: str) -> str:
    """Return the subject of what a reaction, a projector or the relay of a service has given up."""
    return f"dead.{service}.{name}"


def ping_subject(service: str) -> str:
    """Return the subject of the query that every service answers with how it finds what it depends on."""
    return f"qry.{service}.ping"
