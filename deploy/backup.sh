#!/bin/sh
# Saves or restores the system of docker-compose.yml: backup.sh save|restore FILE
# The user in the container is not the caller. It gets the files in a folder that nobody else on this machine can enter,
# so that FILE and FILE.keys belong to the caller, who alone can read them.
set -eu
umask 077

command=$1
folder=$(cd "$(dirname "$2")" && pwd)
name=$(basename "$2")
file=$folder/$name

check_absent() {
    for each in "$file" "$file.keys"; do
        if [ -e "$each" ]; then
            echo "$each exists. Choose another name, or remove it." >&2
            exit 1
        fi
    done
}

# Runs the tool with the files in /backups.
run() {
    docker compose run --rm --volume "$closed/files:/backups" "$@"
}

save() {
    check_absent
    : >"$closed/files/$name"
    : >"$closed/files/$name.keys"
    chmod 0666 "$closed/files/$name" "$closed/files/$name.keys"
    run --no-deps backup save --in-place "/backups/$name"
    chmod 0600 "$closed/files/$name" "$closed/files/$name.keys"
    check_absent # another process may have written them meanwhile
    mv "$closed/files/$name.keys" "$closed/files/$name" "$folder"
    echo "On this machine, these are $file and $file.keys."
}

restore() {
    .venv/bin/python -m onebox.installation "${SECRETS:-deploy/secrets}" --keys "$file.keys"
    cp "$file" "$file.keys" "$closed/files"
    chmod 0644 "$closed/files/$name" "$closed/files/$name.keys"
    run backup restore "/backups/$name"
}

closed=$(mktemp -d "$file.XXXXXX")
trap 'rm -rf "$closed"' EXIT
trap 'exit 130' INT TERM
mkdir -m 0755 "$closed/files"
case $command in
save | restore) "$command" ;;
esac
