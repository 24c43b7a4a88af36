"""What surrounds every request, whichever route serves it."""
