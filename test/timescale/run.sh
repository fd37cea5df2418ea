#!/usr/bin/env bash
# Runs the tests on a real TimescaleDB: all of them, or those that are named. Prints why where there can be none.
set -uo pipefail
cd "$(dirname "$0")/../.."

answer="$(test/timescale/server.sh start)"
code=$?
if [ "$code" = 77 ]; then
  echo "skipped: $answer"
  exit 0
fi
[ "$code" = 0 ] || exit "$code"
trap 'test/timescale/server.sh stop >/dev/null 2>&1' EXIT
trap 'exit 130' INT TERM

env "$answer" node test/run.js "$@"
