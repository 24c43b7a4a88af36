"""Every operation of the OpenAPI document, requested by every kind of client."""
