"""The whole system on one machine: embedded servers, and the services as child processes."""
