-- The id of the first entry of a message in the transcript, if it is not that of the message; and whether the turn ended
-- before the message was complete.
ALTER TABLE messages ADD COLUMN entry_id uuid, ADD COLUMN incomplete boolean NOT NULL DEFAULT false;
