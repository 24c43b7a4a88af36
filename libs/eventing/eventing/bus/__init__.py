"""Events and commands on JetStream: their format, streams, consumers, and messages that are worked on."""
