"""The task-scheduler service: prompt templates that run on a schedule, on a request or on an event."""
