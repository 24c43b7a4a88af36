"""Rate limits: which rule applies to a request, and how many requests its client has made."""
