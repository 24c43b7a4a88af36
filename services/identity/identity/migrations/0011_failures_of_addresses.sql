-- At which network address each failure of an account has happened, in the order of `times`; null if it is not known. So
-- a reset of the password finds the failures that it forgets at addresses by their primary keys.
ALTER TABLE login_failures ADD COLUMN addresses bytea[] NOT NULL DEFAULT '{}';
