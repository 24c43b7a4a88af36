"""The quotas of users: their limits, the runs that are in progress or wait for others, and what is used each month."""
