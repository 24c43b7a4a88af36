"""Who asks: the clients of the gateway, what they authenticate with, and how often they may ask."""
