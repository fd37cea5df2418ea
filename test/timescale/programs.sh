#!/usr/bin/env bash
# pg_dump and pg_restore of the TimescaleDB that server.sh starts, run where that one lives. Called as one of the two.
set -euo pipefail

root="${TMPDIR:-/var/tmp}"
root="${root%/}/evothesis-timescale-trixie"
name="$(basename "$0")"

# The password's file is outside; it is brought in for as long as the program runs.
inside="/tmp/pgpass.$$"
if [ -n "${PGPASSFILE:-}" ]; then
  install -m 600 "$PGPASSFILE" "$root$inside"
  trap 'rm -f "$root$inside"' EXIT
fi
chroot "$root" env -i PATH=/usr/bin:/bin LC_ALL=C TZ=UTC PGPASSFILE="$inside" "/usr/lib/postgresql/17/bin/$name" "$@"
