import type { Queryable } from '../db.ts'
import { isoOf } from './days.ts'
import { msOf } from './session-rows.ts'

export type RunKind = 'read' | 'hourly' | 'nightly'

export const insertRun = async (db: Queryable, kind: RunKind, startedMs: number): Promise<number> => {
  const [row] = await db.query<{ run_id: number }>(
    'insert into agent_runs (kind, started_at) values ($1::text, $2::timestamptz) returning run_id',
    [kind, isoOf(startedMs)],
  )
  return row?.run_id ?? 0
}

export type RunEnd = {
  endedMs: number
  batches: number
  events: number
  asOfMs: number | null
  reports: number
  error: string | null
}

export const updateRun = (db: Queryable, runId: number, run: RunEnd): Promise<number> =>
  db.execute(
    `update agent_runs set ended_at = $2::timestamptz, batches = $3::bigint, events = $4::bigint,
                           as_of = $5::timestamptz, reports = $6::int, error = $7::text where run_id = $1::bigint`,
    [
      ...[runId, isoOf(run.endedMs), run.batches, run.events, run.asOfMs === null ? null : isoOf(run.asOfMs)],
      ...[run.reports, run.error],
    ],
  )

/** Notes how far the data reach after a step, in case the run is interrupted. */
export const advanceRun = (db: Queryable, runId: number, asOfMs: number): Promise<number> =>
  db.execute('update agent_runs set as_of = greatest(as_of, $2::timestamptz) where run_id = $1::bigint', [
    runId,
    isoOf(asOfMs),
  ])

/** The latest moment that the data reach, in all that was read; null before the first run. */
export const selectAsOf = async (db: Queryable): Promise<number | null> => {
  const [row] = await db.query<{ as_of: number | null }>(`select ${msOf('max(as_of)')} as as_of from agent_runs`)
  return row?.as_of ?? null
}

export type RunRow = {
  run_id: number
  kind: RunKind
  started_at: string
  ended_at: string | null
  events: number
  reports: number
  error: string | null
}

export const selectLastRuns = (db: Queryable, most: number): Promise<RunRow[]> =>
  db.query<RunRow>(
    `select run_id, kind, to_char(started_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as started_at,
            to_char(ended_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as ended_at, events, reports, error
     from agent_runs order by run_id desc limit $1::int`,
    [most],
  )

/** The weekly figures were made of the same things, and no day up to the last one of them was reported anew since. */
export const areWeeksMade = async (db: Queryable, weeksOf: string, lastDay: string): Promise<boolean> => {
  const [row] = await db.query<{ made: boolean }>(
    `with latest as (select run_id, weeks_of from agent_runs where weeks_of is not null order by run_id desc limit 1)
     select weeks_of = $1::text and not exists (
       select from reports r where r.kind = 'day' and r.day <= $2::date and r.changed_run > latest.run_id) as made
     from latest`,
    [weeksOf, lastDay],
  )
  return row?.made === true
}

export const markWeeks = (db: Queryable, runId: number, weeksOf: string): Promise<number> =>
  db.execute('update agent_runs set weeks_of = $2::text where run_id = $1::bigint', [runId, weeksOf])
