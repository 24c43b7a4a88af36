-- The quotas that administrators have set for users; null where the default of the role applies.
CREATE TABLE accounts (
    user_id              uuid PRIMARY KEY,
    concurrent_runs      int,
    sessions_per_month   int,
    storage_bytes        bigint,
    budget_per_month_usd numeric
);
