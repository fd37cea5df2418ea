#!/usr/bin/env bash
# Ends the service without losing an event: takes nothing more in, delivers everything, proves it, backs up, and writes what
# the client needs to go on without us to the standard output, as a tar. Progress goes to standard error.
#   offboard.sh bundle     the above; data stays on the machine
#   offboard.sh delete     removes containers, data, secrets; prints what was removed as JSON
set -euo pipefail
cd "$(dirname "$0")"

run() {
  local service="$1"
  shift
  docker compose exec -T "$service" node /app/dist/bin/evothesis.js "$@"
}

case "${1:-}" in
  bundle)
    {
      docker compose stop nginx
      run worker export run
      run worker export verify
      run backup backup
      docker compose stop
      # shellcheck disable=SC2046
      docker save -o images.tar $(docker compose config --images | sort -u)
    } >&2
    tar --create --file - --exclude=./images.tar.part .
    rm -f images.tar
    ;;
  delete)
    volumes="$(docker compose config --volumes | sort | tr '\n' ' ')"
    docker compose down --volumes --timeout 60 >&2
    removed="$(find . -type f | wc -l)"
    find secrets certificates -type f -exec shred -u {} + 2>/dev/null || true
    here="$PWD"
    cd /
    rm -rf "$here"
    printf '{"machine":"%s","at":"%s","volumes":"%s","files":%s,"folder":"%s"}\n' \
      "$(hostname)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${volumes% }" "$removed" "$here"
    ;;
  *)
    sed -n '2,6p' "$0"
    exit 2
    ;;
esac
