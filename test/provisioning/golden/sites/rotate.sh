#!/usr/bin/env bash
# Changes one secret: the file, whatever else knows it, and the containers that read it, as one step; when they do not become
# healthy, all of it is changed back.
#   rotate.sh NAME           makes a new one
#   rotate.sh NAME - BYTES   reads it from the standard input: for what only somebody else can make
set -euo pipefail
cd "$(dirname "$0")"
umask 077
exec 9<.
flock -w "${LOCK_SECONDS:-900}" 9 || { echo 'something else is changing this appliance; try again' >&2; exit 5; }

name="${1:?name a secret of secrets.list}"
kind="$(awk -v name="$name" '$1 == name { print $2 }' secrets.list)"
[ -n "$kind" ] || { echo "$name is no secret of this appliance" >&2; exit 2; }
case "$name" in
  hash-key)
    echo 'hash-key is never changed: receipts and hashed visitors depend on it.' >&2
    exit 2
    ;;
  database-url)
    echo 'database-url follows postgres-password: rotate that.' >&2
    exit 2
    ;;
esac

if [ "${2:-}" = - ]; then
  given="$(cat; printf .)"
  given="${given%.}"
  # A connection that is cut looks like the end of the input.
  if [ -n "${3:-}" ] && [ "$(printf '%s' "$given" | wc -c)" -ne "$3" ]; then
    echo "only a part of $name arrived; nothing was changed" >&2
    exit 2
  fi
  new="$(printf '%s' "$given")"
elif [ "$kind" = hex ]; then
  new="$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n')"
elif [ "$kind" = webhook ]; then
  new="whsec_$(head -c 32 /dev/urandom | base64 -w 0)"
else
  echo "$name is given, not made: say where it comes from, with --from" >&2
  exit 2
fi
[ -n "$new" ] || { echo "the new $name is empty" >&2; exit 2; }
# Servers go on with the old write key until the next rotation.
if [ "$name" = write-keys ]; then new="$new,$(cut -d , -f 1 "secrets/$name")"; fi

# Below, every step says itself what happens when it fails: bash does not, in what an `if` asks.

# put FILE: the standard input takes its place, with its owner and mode; all of it or, on a full disk, nothing.
put() {
  cat >"secrets/$1.new" &&
    chmod --reference="secrets/$1" "secrets/$1.new" &&
    { [ "$(id -u)" != 0 ] || chown --reference="secrets/$1" "secrets/$1.new"; } &&
    mv "secrets/$1.new" "secrets/$1" && return 0
  rm -f "secrets/$1.new"
  return 1
}

# The role's password, said by a file: a command line would show it to everyone on the machine.
alter_role() {
  printf "alter role evothesis password '%s';\n" "$1" |
    docker compose exec -T timescaledb psql -q -v ON_ERROR_STOP=1 -U evothesis -d evothesis
}

old="$(cat "secrets/$name")"
apply() {
  if [ "$name" = postgres-password ]; then
    alter_role "$1" || return 1
    printf 'postgres://evothesis:%s@timescaledb:5432/evothesis' "$1" | put database-url || return 1
  fi
  printf '%s' "$1" | put "$name" || return 1
  case "$name" in
    # nginx notices a new certificate by itself.
    tls-*) ./first-boot.sh || return 1 ;;
    *)
      mapfile -t services < <(docker compose config --services | grep -v -e nginx -e certbot -e timescaledb)
      [ "${#services[@]}" -gt 0 ] || return 1
      docker compose up -d --force-recreate --no-deps --wait --wait-timeout "${WAIT_SECONDS:-300}" "${services[@]}" 9<&- ||
        return 1
      ;;
  esac
}

if apply "$new"; then
  echo "$name was changed."
else
  echo "$name could not be changed; changing it back." >&2
  apply "$old" >&2 || echo 'That did not end well, either: see docker compose ps, and run it again.' >&2
  exit 1
fi
