"""Faults of every kind, one after the other, in a system of two replicas that is in use: what has to hold, holds."""
