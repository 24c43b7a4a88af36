-- The role and the state of users, from the events of identity; null until such an event was read.
ALTER TABLE accounts ADD COLUMN role text, ADD COLUMN is_active bool;
