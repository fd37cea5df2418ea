#!/usr/bin/env bash
# Runs tests on a real TimescaleDB: those whose outcome depends on the database, or those that are named (test to run all).
# Prints why where there can be none.
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

if [ $# = 0 ]; then
  set -- test/migrate.test.ts test/db.test.ts test/main-job.test.ts test/crash.test.ts test/timescale/*.test.ts \
    test/collect/{collect,commit,spool,deliver-rejects}.test.ts test/demo/insert.test.ts \
    test/export/{claims,heads,retention,round-trip,announce}.test.ts \
    test/appliance/backup.test.ts \
    test/billing/{domains,nodes,property,reconcile,statements}.test.ts \
    test/console/{delivery,figures,login,stream}.test.ts
fi
env "$answer" node test/run.js "$@"
