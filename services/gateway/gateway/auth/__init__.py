"""Who is asking: access tokens, the keys that verify them, and what was revoked."""
