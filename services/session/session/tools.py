"""What the session service's handlers and reactions work with."""
