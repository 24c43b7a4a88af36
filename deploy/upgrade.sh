#!/bin/sh
# Replaces the running containers of docker-compose.yml by those of new images, one service after the other, while clients
# use them: docs/runbooks/upgrade.md. With GATEWAYS_CHANGED, a command that makes the reverse proxy find the gateways
# again, new gateways also run beside the old ones before these stop. It may be repeated.
set -eu

cd "$(dirname "$0")/.."
services="identity session task-scheduler report mcp-registry webhook gateway"

replicas() { docker compose ps --quiet "$1" | wc -l; }

replace() {
    old=$(docker compose ps --quiet "$1")
    count=$(($2 * 2))
    # The release before may lack this service. Stopped containers of it would be started again.
    [ "$count" != 0 ] || { count=1 && docker compose rm --force "$1"; }
    echo "upgrade: $1: starting new containers"
    docker compose up --detach --no-deps --no-build --no-recreate --wait --wait-timeout 300 --scale "$1=$count" "$1"
    [ "$1" != gateway ] || sh -c "$GATEWAYS_CHANGED"
    echo "upgrade: $1: stopping the old ones"
    for container in $old; do
        docker stop "$container" >/dev/null
        docker rm "$container" >/dev/null
    done
}

gateways=$(replicas gateway)
[ "$gateways" != 0 ] || { echo "upgrade: the gateway is not running: use docker compose up" >&2; exit 1; }
for service in $services; do
    [ "$service" = gateway ] || docker compose run --rm --no-deps -T "$service-migration"
done
for service in $services; do
    [ "$service" = gateway ] && [ -z "${GATEWAYS_CHANGED:-}" ] || replace "$service" "$(replicas "$service")"
done
# Without their dependencies: compose stops what depends on a container that it replaces, such as one of a migration.
docker compose up --detach --no-deps --no-build --wait --wait-timeout 300 --scale "gateway=$gateways" gateway simulator
