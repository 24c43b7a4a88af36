"""Every message that crosses a process: commands, queries, events and their replies."""
