-- Totals of the list of accounts.
SELECT count_rows('users', 'user_counts', '{role, is_active, is_service_account}');

-- Searches for the beginning of an e-mail address or a username: with this collation an index finds them.
CREATE INDEX users_email_start ON users (email COLLATE "C");
CREATE INDEX users_username_start ON users (lower(username) COLLATE "C");

-- How many API calls each process of the gateway has answered on a day (UTC).
CREATE TABLE api_calls (
    day        date   NOT NULL,
    process_id uuid   NOT NULL,
    n          bigint NOT NULL,
    PRIMARY KEY (day, process_id)
);
