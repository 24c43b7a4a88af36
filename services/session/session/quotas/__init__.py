"""The quotas of users: accounts and limits, the runs that are in progress or wait for others, and monthly usage."""
