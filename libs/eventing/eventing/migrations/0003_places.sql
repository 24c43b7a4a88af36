-- Where the relay was, and in what: by this it sees that the database or the stream is not the one it left.
ALTER TABLE relayed
    ADD COLUMN stream_created text,   -- when the stream was made, which says whether it is the same one
    ADD COLUMN sequence       bigint, -- the number of the stream's last message then
    ADD COLUMN system         text,   -- the identifier of the database cluster; NULL where it may not be read
    ADD COLUMN timeline       int,
    ADD COLUMN work_sequence  bigint, -- the number of the last message in the work stream
    -- Nothing at or before this place is left to work on: from here a work stream that was lost is filled again.
    ADD COLUMN work_tx        xid8,
    ADD COLUMN work_position  bigint;

-- Which stream a projector's sequence number is of, and where the last event that it projected stands in the feed of
-- its source: when the stream was made anew, it passes over what is not behind that (`again`).
ALTER TABLE checkpoints
    ADD COLUMN stream_created text,
    ADD COLUMN tx             bigint,
    ADD COLUMN position       bigint,
    ADD COLUMN again          bool NOT NULL DEFAULT false;

-- How often a reaction was given an event that only a newer release can read; this counts for no failure.
CREATE TABLE waits (
    durable    text        NOT NULL,
    sequence   bigint      NOT NULL,
    deliveries int         NOT NULL,
    noted_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (durable, sequence)
);
