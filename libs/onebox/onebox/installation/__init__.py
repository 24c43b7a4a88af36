"""Secrets of an installation in containers, as `docker-compose.yml` mounts them."""
