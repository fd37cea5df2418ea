#!/usr/bin/env bash
# Brings the appliance up as compose.yaml says, and waits until every container is healthy. Run it as often as you like.
#   IMAGES=pull fetches the images first; without it, those that are not here are.
set -euo pipefail
cd "$(dirname "$0")"
exec 9<.
flock -w "${LOCK_SECONDS:-900}" 9 || { echo 'something else is changing this appliance; try again' >&2; exit 5; }

./first-boot.sh

missing=()
for image in $(docker compose config --images | sort -u); do
  docker image inspect "$image" >/dev/null 2>&1 || missing+=("$image")
done
if [ "${IMAGES:-}" = pull ] || [ "${#missing[@]}" -gt 0 ]; then
  docker compose pull --quiet || {
    echo "These images are not on this machine and could not be pulled: ${missing[*]:-none}" >&2
    echo 'Bring them with: evothesis provision apply … --images FILE (made by docker save)' >&2
    exit 4
  }
fi

docker compose up -d --remove-orphans --wait --wait-timeout "${WAIT_SECONDS:-300}" 9<&-
echo 'All containers are healthy.'
