-- The facts of one service. The table is its outbox too: the relay reads it in the order of (tx, position).
CREATE TABLE events (
    originator_id      uuid        NOT NULL,
    originator_version int         NOT NULL,
    topic              text        NOT NULL,
    state              bytea       NOT NULL,
    envelope           jsonb       NOT NULL,
    recorded_at        timestamptz NOT NULL,
    -- The command that an append answers, on its first fact: the index refuses a command that comes twice.
    command_id         uuid,
    tx                 xid8        NOT NULL DEFAULT pg_current_xact_id(),
    position           bigint      GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT events_version PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX events_feed ON events (tx, position);
CREATE UNIQUE INDEX events_command ON events (command_id) WHERE command_id IS NOT NULL;

-- How far each projector has come in a stream of another service.
CREATE TABLE checkpoints (
    name     text   PRIMARY KEY,
    sequence bigint NOT NULL
);

-- How far the relay has come; used when the stream's retention has emptied it, else the stream itself tells.
CREATE TABLE relayed (
    one      bool   PRIMARY KEY DEFAULT true CHECK (one),
    tx       xid8   NOT NULL,
    position bigint NOT NULL
);
