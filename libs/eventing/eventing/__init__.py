"""Event sourcing on PostgreSQL and JetStream: aggregates, the store, the relay, projections, the bus."""
