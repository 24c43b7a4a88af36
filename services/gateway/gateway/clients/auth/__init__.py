"""Authentication: access tokens, the keys that verify them, and revocations."""
