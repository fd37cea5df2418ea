#!/usr/bin/env bash
# Ends the service without losing an event: takes nothing more in, delivers everything, proves it, backs up, and writes what
# the client needs to go on without us to the standard output, as a tar. Progress goes to standard error.
#   offboard.sh bundle     the above; data stays on the machine; what fails starts everything again
#   offboard.sh resume     on another machine, in the unpacked bundle: loads images and data, and starts
#   offboard.sh delete     removes containers, data, secrets; prints what was removed as JSON
set -euo pipefail
cd "$(dirname "$0")"
umask 077
exec 9<.
flock -w "${LOCK_SECONDS:-900}" 9 || { echo 'something else is changing this appliance; try again' >&2; exit 5; }

run() {
  local service="$1"
  shift
  docker compose exec -T "$service" node /app/dist/bin/evothesis.js "$@"
}

# in_volume SERVICE TAR-OPTIONS: runs tar in a container of its own that has the service's volume.
in_volume() {
  local service="$1"
  shift
  docker compose run --rm -T --no-deps --entrypoint tar "$service" "$@"
}

case "${1:-}" in
  bundle)
    whole=
    trap '[ -n "$whole" ] || { echo "There is no whole bundle; everything starts again." >&2; rm -rf volumes images.tar; docker compose start >&2 9<&-; }' EXIT
    {
      docker compose stop nginx
      run worker export run
      run worker export verify
      run backup backup
      docker compose stop
      # What buckets do not have: files of a client without one, notes, decisions, what waits.
      mkdir -p volumes
      in_volume backup -c -C /data --exclude=./staging . >volumes/data.tar
      in_volume timescaledb -c -C /var/lib/postgresql/data . >volumes/database.tar
      # shellcheck disable=SC2046
      docker save -o images.tar $(docker compose config --images | sort -u)
    } >&2
    tar --create --file - .
    whole=yes
    rm -rf volumes images.tar
    ;;
  resume)
    if [ ! -s volumes/data.tar ] || [ ! -s volumes/database.tar ]; then
      echo 'There is no data beside this script; it is for an unpacked bundle.' >&2
      exit 2
    fi
    for volume in evothesis_data evothesis_database; do
      if docker volume inspect "$volume" >/dev/null 2>&1; then
        echo "$volume is there already: this machine has data, which stays as it is. Run ./start.sh" >&2
        exit 2
      fi
    done
    docker load --quiet -i images.tar
    if ! { in_volume backup -x -C /data <volumes/data.tar &&
      in_volume timescaledb -x -C /var/lib/postgresql/data <volumes/database.tar; }; then
      docker compose down --volumes
      echo 'The data could not be unpacked; nothing of it was kept.' >&2
      exit 1
    fi
    flock -u 9
    ./start.sh
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
    sed -n '2,7p' "$0"
    exit 2
    ;;
esac
