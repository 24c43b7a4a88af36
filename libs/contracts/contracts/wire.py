"""Names and limits of the wire protocol, each written once: changing one of them changes the protocol.

The subjects of messages are in their classes (`BusMessage.subject`), the names of durable consumers next to their
reactions.
"""

EVENT_PREFIX, WORK_PREFIX = "evt", "work"
"""The first token of the subjects of events, and of the subjects of the work that events request."""
OFFER_PREFIX = "offer"
"""The first token of the subjects of offers, which the bus does not store."""
DEAD_LETTERS, DEAD_LETTER_SUBJECTS = "DEAD_LETTERS", "dead.>"

REVOCATIONS = "REVOCATIONS"
"""The key-value bucket with the ids of revoked token families and API keys, and with changes of roles."""
REVOCATIONS_COMPLETE = "complete"
"""The key that exists only while the bucket holds all revocations."""
ACCESS_PREFIX = "access."
"""The beginning of the keys that hold what a user may do now (`contracts.identity.values.Access`), by the user's id."""

RATE_LIMITS, RATE_PREFIX = "RATE_LIMITS", "rate"
"""The stream of the counters of rate limits, and the first token of its subjects."""
OPEN_STREAMS, OPEN_STREAMS_PREFIX = "OPEN_STREAMS", "open"
"""The stream that holds how many streams each user has open at each gateway, and the first token of its subjects."""

IDEMPOTENCY = "IDEMPOTENCY"
"""The key-value bucket with the keyed requests of the last 24 hours, and the responses to them."""
IDEMPOTENCY_USAGE, IDEMPOTENCY_PREFIX = "IDEMPOTENCY_USAGE", "keyed"
"""The stream that counts how many bytes each user has in that bucket, and the first token of its subjects."""

PUBLIC_STREAM, PUBLIC_PREFIX = "PUBLIC", "public.v1"
"""The stream of events in their public form, for programs of users, and what its subjects begin with."""
BUS_DOMAIN = "public"
"""The domain of JetStream that programs of users name: the beginning of the subjects of their requests."""

INBOX = "_INBOX"
"""The first token of the subjects of replies: `_INBOX.<service>.<connection>.<replying service>.<request>`."""

TOKEN_ISSUER = TOKEN_AUDIENCE = "agentapi"
TOKEN_ALGORITHM = "EdDSA"

AGENT_DEPTH_HEADER = "X-Agent-Depth"
"""Sent to MCP servers for agents, never by them: the depth that sessions which the agent uses get."""

RESOURCE_OWNER = "resource-owner"
"""The header of a reply with the owner of what a refusal denies or a command changes; not in the body, for clients."""

FIRST_PAYLOAD_VERSION, PAYLOAD_VERSION = 1, 1
"""The version of the public form of events that receivers get who ask for no other, and the newest one."""
MAX_INLINE_BYTES = 16 * 1024
"""Size up to which lists and streams hold a value whole. A page of such values fits into one message of the bus."""
PREVIEW_CHARACTERS = 1000
"""Length of the preview of a larger value. The resource itself has the whole value."""
MAX_PART_BYTES = 512 * 1024
"""Size of the largest part of a file in one message."""
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Size of the largest file that a client may write to a workspace."""
MAX_FORM_BYTES = 5 * 1024 * 1024
"""Size of the largest form with a file."""


PUBLIC_NAMES = {"mcp_registry": "mcp_server", "task_scheduler": "task"}
"""The first part of the public names of a service's events, if it is not the name of the service."""


def event_stream(service: str) -> str:
    """Return the name of the stream that holds a service's events."""
    return f"EVT_{service.upper()}"


def event_filter(service: str) -> str:
    """Return the filter for all events of a service."""
    return f"{EVENT_PREFIX}.{service}.>"


def event_name(subject: str) -> str:
    """Return the public name of an event: `session.created` for `evt.session.created` and all subjects below it."""
    _, service, name, *_ = subject.split(".")
    return f"{PUBLIC_NAMES.get(service, service)}.{name}"


def public_subject(owner: str, name: str, belongs_to: str) -> str:
    """Return the subject of a public event, or a filter: `public.v1.<user id>.session.created.<session id>`."""
    return f"{PUBLIC_PREFIX}.{owner}.{name}.{belongs_to}"


def public_filter(owner: str | None) -> str:
    """Return the filter for the public events of a user; of all users for None."""
    return f"{PUBLIC_PREFIX}.{owner or '*'}.>"


def work_stream(service: str) -> str:
    """Return the name of the stream that holds the work of a service."""
    return f"WORK_{service.upper()}"


def work_filter(service: str) -> str:
    """Return the filter for all work of a service."""
    return f"{WORK_PREFIX}.{service}.>"


def to_work_subject(event_subject: str) -> str:
    """Return the subject of the work that an event requests: `work.session.run_requested.<owner>.<session id>`."""
    return f"{WORK_PREFIX}.{event_subject.removeprefix(f'{EVENT_PREFIX}.')}"


def offer_subject(service: str, reaction: str, aggregate: str) -> str:
    """Return the subject of offers of work on an aggregate, from one replica of a service to another."""
    return f"{OFFER_PREFIX}.{service}.{reaction}.{aggregate}"


def durable(service: str, reaction: str) -> str:
    """Return the name of the consumer that delivers to a reaction, shared by the replicas of its service."""
    return f"{service}-{reaction}"


def dead_letter_subject(service: str, name: str) -> str:
    """Return the subject of the dead letters of a reaction, a projector or the relay of a service."""
    return f"dead.{service}.{name}"


def replay_subject(service: str) -> str:
    """Return the subject of requests to a service to replay a dead letter of one of its reactions."""
    return f"replay.{service}"


def ping_subject(service: str) -> str:
    """Return the subject of the query for the state of a service's dependencies."""
    return f"qry.{service}.ping"


def feed_subject(service: str) -> str:
    """Return the subject of the query for the events that a service has stored."""
    return f"qry.{service}.feed"


def projected_subject(service: str) -> str:
    """Return the subject of the query for how far the read models of a service follow the events of another one."""
    return f"qry.{service}.projected"
