#!/usr/bin/env bash
# The whole appliance in containers: see containers.test.ts. Uses the engine that is there, else one of its own; says why
# where there can be none.
#   KEEP=1 leaves the containers for a look; KEEP_IMAGES=1 takes the images that an earlier run built.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

engine=test/appliance/container-engine.sh
if docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
  export COMPOSE='docker compose' ENGINE=docker
else
  answer="$($engine up 2>/tmp/evothesis-engine.$$)"
  code=$?
  why="$(tail -n 1 /tmp/evothesis-engine.$$)"
  rm -f /tmp/evothesis-engine.$$
  if [ "$code" != 0 ]; then
    echo "skipped: no container engine: $why"
    exit 0
  fi
  eval "$answer"
  export ENGINE="$engine"
  trap '[ -n "${KEEP:-}" ] || $engine down' EXIT
fi
node test/run.js --timeout=1500 --jobs=1 test/appliance/containers.engine.ts
