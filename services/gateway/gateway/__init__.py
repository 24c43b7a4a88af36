"""The one way in from outside: HTTP in front of the bus. Holds no state, so any number may run."""
