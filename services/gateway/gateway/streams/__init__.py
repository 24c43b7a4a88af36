"""What happens, told to clients as it does: one reader of each service's events, fanned out to all who listen."""
