#!/usr/bin/env bash
# A real TimescaleDB for the tests, without Docker: Debian's own packages in a folder of their own.
#
#   server.sh start    prints TEST_DATABASE_URL=postgres://… and nothing else on standard output
#   server.sh status   the same line when it runs, else exit code 3
#   server.sh stop     stops it and removes its data
#
# The packages are kept under ${TMPDIR:-/var/tmp} and used again; the data is new at every start. Needs root on Debian,
# and the machine's own package mirror the first time. Where it cannot run it prints why, with exit code 77.
set -euo pipefail

suite=trixie
version=17
packages="ca-certificates,postgresql-$version,postgresql-$version-timescaledb"

base="${TMPDIR:-/var/tmp}"
root="${base%/}/evothesis-timescale-$suite"
# One server per checkout, so that two of them on one machine do not stop each other's.
checkout="$(cd "$(dirname "$0")/../.." && pwd | cksum | cut -d ' ' -f 1)"
state="$root.$checkout"
programs="/usr/lib/postgresql/$version/bin"

skip() {
  echo "$1"
  exit 77
}

as_postgres() {
  chroot "$root" runuser -u postgres -- env -i PATH=/usr/bin:/bin LC_ALL=C TZ=UTC "$@"
}

# The mirror that this machine installs Debian itself from: where its own release's `main` is. In both of apt's formats.
mirror() {
  local release
  release="$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)"
  {
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v RS= -v release="$release" '
      /(^|\n)Enabled: *no/ { next }
      $0 ~ "(^|\n)Suites:[^\n]* " release "( |\n|$)" && /(^|\n)Components:[^\n]* main( |\n|$)/ {
        for (line = split($0, lines, "\n"); line > 0; line--)
          if (lines[line] ~ /^URIs:/) { split(lines[line], words, " +"); print words[2] }
      }'
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      sed 's/\[[^]]*\]//' | awk -v release="$release" '$1 == "deb" && $3 == release && / main( |$)/ { print $2 }'
  } | head -n 1
}

install_packages() {
  [ -x "$root$programs/postgres" ] && return
  if ! command -v debootstrap >/dev/null; then
    { apt-get update && apt-get install -y --no-install-recommends debootstrap; } >&2 ||
      skip "debootstrap is not installed, and apt-get could not install it"
  fi
  local from part
  from="$(mirror)"
  [ -n "$from" ] || skip "no package mirror in /etc/apt"
  part="$(mktemp -d "$root.part.XXXXXX")"
  echo "Installing $packages into $root (once, about a minute)" >&2
  if ! debootstrap --variant=minbase --include="$packages" "$suite" "$part" "$from" >"$part.log" 2>&1; then
    tail -n 3 "$part.log" >&2
    rm -rf --one-file-system "$part" "$part.log"
    skip "debootstrap could not install $suite from this machine's mirror"
  fi
  rm -rf --one-file-system "$root"
  chmod 755 "$part"
  mv "$part" "$root"
  rm -f "$part.log"
}

start() {
  [ "$(id -u)" = 0 ] || skip "TimescaleDB in a folder of its own needs root"
  grep -qs '^ID=debian$' /etc/os-release || skip "this machine is not Debian"
  # One start at a time; the lock ends with this script.
  exec 9>"$root.lock"
  flock 9
  if running; then
    cat "$state"
    return
  fi
  install_packages

  local data port password
  stop
  data="/srv/evothesis-$checkout"
  port="$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')"
  password="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
  install -d -m 700 -o "$(chroot "$root" id -u postgres)" "$root$data"
  echo "$password" >"$root$data.password"
  chmod 644 "$root$data.password"
  as_postgres "$programs/initdb" -D "$data" -U postgres --encoding=UTF8 --locale=C --auth=scram-sha-256 \
    --pwfile="$data.password" >&2 || skip "initdb failed in $root"
  rm -f "$root$data.password"
  cat >>"$root$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timescaledb.max_background_workers = 16
max_worker_processes = 32
max_connections = 100
shared_buffers = 256MB
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
CONF
  # Without the lock's descriptor, which the server would hold for as long as it runs.
  as_postgres "$programs/pg_ctl" -D "$data" -l "$data/server.log" -w -t 60 start >&2 9>&- ||
    { tail -n 5 "$root$data/server.log" >&2; exit 1; }
  (umask 077 && echo "TEST_DATABASE_URL=postgres://postgres:$password@127.0.0.1:$port/postgres" >"$state")
  cat "$state"
}

running() {
  [ -f "$state" ] && as_postgres "$programs/pg_ctl" -D "/srv/evothesis-$checkout" status >/dev/null 2>&1
}

stop() {
  [ "$(id -u)" = 0 ] || skip "TimescaleDB in a folder of its own needs root"
  local data="/srv/evothesis-$checkout"
  if [ -f "$root$data/postmaster.pid" ]; then
    as_postgres "$programs/pg_ctl" -D "$data" -m fast -w -t 60 stop >&2 || true
  fi
  rm -rf --one-file-system "${root:?}$data" "$state"
}

case "${1:-}" in
  start) start ;;
  stop) stop ;;
  status) if running; then cat "$state"; else exit 3; fi ;;
  *)
    echo "Usage: server.sh start|stop|status" >&2
    exit 2
    ;;
esac
