#!/usr/bin/env bash
# Examines the machine from outside the containers (listening ports, images, files) and hands that to `evothesis doctor`,
# which examines the rest. Takes doctor's options, e.g. --json.
set -euo pipefail
cd "$(dirname "$0")"

{
  echo '[listening]'
  ss -Hltn | awk '{ print $4 }'
  echo '[images]'
  docker compose ps --all --format '{{.Service}} {{.Image}}'
  echo '[wanted]'
  docker compose config --images | sort
  echo '[secrets]'
  stat -c '%a %U %n' secrets secrets/* 2>/dev/null || true
} | docker compose exec -T worker node /app/dist/bin/evothesis.js doctor --host - "$@"
