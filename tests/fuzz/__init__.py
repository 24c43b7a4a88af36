"""Generated requests and WebSocket messages: whatever a client sends, no fault and nothing undocumented."""
