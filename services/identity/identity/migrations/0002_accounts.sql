-- The hash that a login is checked against: read from here, a wrong password costs the same at any size of account.
ALTER TABLE users ADD COLUMN password_hash text;
UPDATE users SET password_hash = (
    SELECT convert_from(state, 'UTF8')::jsonb ->> 'password_hash' FROM events
    WHERE originator_id = users.id AND topic LIKE 'evt.identity.password_set;%'
    ORDER BY originator_version DESC LIMIT 1);

-- What a user name is known by. Of names that were taken before and differ only in this, the first one has it.
ALTER TABLE users ADD COLUMN known_as text;
UPDATE users SET known_as = folded.known_as FROM (
    SELECT DISTINCT ON (regexp_replace(lower(username), '[._-]', '', 'g'))
        id, regexp_replace(lower(username), '[._-]', '', 'g') AS known_as
    FROM users ORDER BY regexp_replace(lower(username), '[._-]', '', 'g'), created_at, id
) AS folded WHERE folded.id = users.id;
CREATE UNIQUE INDEX users_known_as ON users (known_as);

-- Revoked token families, as long as access tokens of theirs may be around: the bucket on the bus is filled from here.
CREATE TABLE revoked_families (
    family_id  uuid        PRIMARY KEY,
    reason     text        NOT NULL,
    revoked_at timestamptz NOT NULL
);
CREATE INDEX revoked_families_age ON revoked_families (revoked_at);
INSERT INTO revoked_families
SELECT (convert_from(state, 'UTF8')::jsonb ->> 'family_id')::uuid,
    convert_from(state, 'UTF8')::jsonb ->> 'reason', recorded_at FROM events
WHERE topic LIKE 'evt.identity.token_family_revoked;%' AND recorded_at > now() - interval '2 hours'
ON CONFLICT DO NOTHING;
