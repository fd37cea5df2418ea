#!/usr/bin/env bash
# Containers for the tests on a Debian machine without Docker, and without a way to an image registry.
#
#   eval "$(container-engine.sh up)"     starts an engine; sets DOCKER_HOST and COMPOSE (docker-compose, version 2)
#   container-engine.sh images NAME…     makes stand-ins for the base images that are named, from Debian's packages
#   container-engine.sh build …          as `docker build`
#   container-engine.sh run …            any other command of the engine
#   container-engine.sh down             stops it
#
# The engine is podman with runc, which answers to Docker's API. Stand-ins bear the names of the public images and behave
# like them as far as the appliance cares: node (with this machine's Node.js), nginx, timescale/timescaledb (PostgreSQL 17
# with TimescaleDB, Apache edition). All are made of one Debian trixie. Where it cannot run it says why, with exit code 77.
#
# Other than Docker: health checks need systemd there, so a loop runs them; limits (ulimits) may not be raised; the logging
# driver `local` is not known.
set -euo pipefail

base="${TMPDIR:-/var/tmp}"
home="${base%/}/evothesis-containers"
podman=(podman --root "$home/storage" --runroot "$home/run" --storage-driver vfs --cgroup-manager=cgroupfs --runtime runc)
# Images without a host in their name are those of this machine, as they are for `docker build`.
export CONTAINERS_CONF="$home/containers.conf"
packages=ca-certificates,libstdc++6,libatomic1,postgresql-17,postgresql-17-timescaledb,gosu,nginx,openssl,curl

skip() {
  echo "$1" >&2
  exit 77
}

install() {
  [ "$(id -u)" = 0 ] || skip 'containers need root here'
  grep -qs '^ID=debian$' /etc/os-release || skip 'this machine is not Debian'
  mkdir -p "$home"
  printf '[engine]\ncompat_api_enforce_docker_hub = false\n' >"$CONTAINERS_CONF"
  if ! command -v podman >/dev/null || ! command -v runc >/dev/null || ! [ -e /usr/libexec/podman/catatonit ] || ! command -v debootstrap >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      podman runc catatonit netavark aardvark-dns iptables debootstrap ca-certificates >/dev/null; } >&2 ||
      skip 'podman could not be installed'
  fi
  [ -x "$home/docker-compose" ] || install_compose || skip 'docker-compose could not be downloaded'
}

# The mirror that this machine installs Debian itself from.
mirror() {
  {
    sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null
    sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null
  } | head -n 1
}

# docker-compose 2 is in trixie.
install_compose() {
  local apt="$home/apt" options
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/x"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) trixie main" >"$apt/sources.list"
  options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists"
    -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update -qq >&2 || return
  (cd "$apt/x" && apt-get "${options[@]}" download -qq docker-compose >&2 && dpkg -x docker-compose_*.deb .) || return
  cp "$apt/x/usr/libexec/docker/cli-plugins/docker-compose" "$home/docker-compose"
}

root_file_system() {
  [ -x "$home/trixie/usr/sbin/nginx" ] && return
  echo 'Installing Debian trixie for the stand-ins (once, a minute or two)' >&2
  rm -rf --one-file-system "$home/trixie.part"
  debootstrap --variant=minbase --include="$packages" trixie "$home/trixie.part" "$(mirror)" >"$home/debootstrap.log" 2>&1 ||
    skip "debootstrap failed: $(tail -n 1 "$home/debootstrap.log")"
  local root="$home/trixie.part" npm
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
  # The host's trusted roots and its package sources, for npm and apt in builds.
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  cp -L "$(command -v node)" "$root/usr/local/bin/node"
  npm="$(dirname "$(readlink -f "$(command -v npm)")")/.."
  mkdir -p "$root/usr/local/lib/node_modules"
  cp -aL "$npm" "$root/usr/local/lib/node_modules/npm"
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  cat >"$root/usr/local/bin/docker-entrypoint.sh" <<'ENTRYPOINT'
#!/bin/bash
# As the public image's: the first start makes the cluster, the role and the database; then postgres runs as its own account.
set -e
export PGDATA=${PGDATA:-/var/lib/postgresql/data} PATH=/usr/lib/postgresql/17/bin:$PATH
if [ -n "$POSTGRES_PASSWORD_FILE" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); export POSTGRES_PASSWORD; fi
unset POSTGRES_PASSWORD_FILE
user=${POSTGRES_USER:-postgres} db=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  [ -n "$POSTGRES_PASSWORD" ] || { echo 'superuser password is not specified' >&2; exit 1; }
  initdb -U "$user" --pwfile=<(echo "$POSTGRES_PASSWORD") -A scram-sha-256 ${POSTGRES_INITDB_ARGS:-} >/dev/null
  { echo 'local all all trust'; echo 'host all all all scram-sha-256'; } >"$PGDATA/pg_hba.conf"
  printf "listen_addresses='*'\nshared_preload_libraries='timescaledb'\n" >>"$PGDATA/postgresql.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start >/dev/null
  [ "$db" = postgres ] || psql -qU "$user" -d postgres -c "create database \"$db\""
  psql -qU "$user" -d "$db" -c 'create extension if not exists timescaledb' 2>/dev/null
  pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi
exec "$@"
ENTRYPOINT
  chmod +x "$root/usr/local/bin/docker-entrypoint.sh"
  mv "$root" "$home/trixie"
}

# stand_in NAME CHANGE…: an image of the root file system with these properties.
stand_in() {
  local name="$1" arguments=() change
  shift
  "${podman[@]}" image exists "$name" && return
  for change in 'ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$@"; do
    arguments+=(--change "$change")
  done
  tar -C "$home/trixie" --exclude=./proc --exclude=./sys -c . | "${podman[@]}" import -q "${arguments[@]}" - "$name" >/dev/null
  echo "made $name" >&2
}

running() {
  [ -f "$home/pid" ] && kill -0 "$(cat "$home/pid")" 2>/dev/null && [ -S "$home/engine.sock" ]
}

case "${1:-}" in
  up)
    install
    if ! running; then
      rm -f "$home/engine.sock"
      setsid "${podman[@]}" system service -t 0 "unix://$home/engine.sock" >"$home/service.log" 2>&1 &
      echo $! >"$home/pid"
      # shellcheck disable=SC2016
      setsid bash -c '
        engine="$1"; shift
        while kill -0 "$engine" 2>/dev/null; do
          for container in $("$@" ps -q 2>/dev/null); do timeout 20 "$@" healthcheck run "$container" >/dev/null 2>&1 || true; done
          sleep 2
        done' health "$(cat "$home/pid")" "${podman[@]}" >/dev/null 2>&1 &
      echo $! >"$home/health.pid"
      for _ in $(seq 100); do [ -S "$home/engine.sock" ] && break; sleep 0.2; done
      running || skip "the engine did not start: $(tail -n 1 "$home/service.log")"
    fi
    echo "export DOCKER_HOST=unix://$home/engine.sock COMPOSE=$home/docker-compose"
    ;;
  images)
    shift
    install
    root_file_system
    for name in "$@"; do
      case "$name" in
        node:*) stand_in "$name" 'CMD ["node"]' 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' ;;
        nginx:*) stand_in "$name" 'CMD ["nginx","-g","daemon off;"]' 'STOPSIGNAL SIGQUIT' ;;
        timescale/timescaledb:*) stand_in "$name" 'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]' 'STOPSIGNAL SIGINT' ;;
        *) skip "there is no stand-in for $name" ;;
      esac
    done
    ;;
  build)
    shift
    # One layer: this storage copies every layer whole. The host's network, so that npm reaches its registry.
    exec "${podman[@]}" build --format docker --layers=false --network host --ulimit nofile=4096:4096 --ulimit nproc=1024:1024 "$@"
    ;;
  run)
    shift
    exec "${podman[@]}" "$@"
    ;;
  down)
    for file in health.pid pid; do
      if [ -f "$home/$file" ]; then kill "$(cat "$home/$file")" 2>/dev/null || true; fi
      rm -f "$home/$file"
    done
    ;;
  *)
    sed -n '2,17p' "$0"
    exit 2
    ;;
esac
