"""Streams of events to clients: each gateway reads a service's events once, and hands them to all clients concerned."""
