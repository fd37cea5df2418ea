import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { systemClock } from '../../src/clock.ts'
import { copyRows } from '../../src/collect/copy-in.ts'
import { copyColumns } from '../../src/collect/copy-line.ts'
import type { Row } from '../../src/collect/group.ts'
import { createDb } from '../../src/db.ts'
import { bodyOf } from './load.ts'

/**
 * Other ways to write the same rows: into a table like events_log, so that nobody counts them. Each answers rows a second,
 * committed.
 */
const table = 'bench_rows'
const create = `create table if not exists ${table} (like events_log including all)`

/** The columns of the n-th event of the load. */
const valuesOf = (n: number): string[] => {
  const text = bodyOf(n, 1)
  const event = JSON.parse(text) as Record<string, string>
  const now = new Date().toISOString()
  return [
    ...['1', String(n), now, randomUUID(), event.eventType ?? '', event.sessionId ?? '', event.visitorId ?? ''],
    ...['u', 'shop.example', now, event.url ?? '', event.path ?? '', 'Mozilla/5.0 (X11; Linux x86_64)', '203.0.113.0'],
    ...[text, now],
  ]
}

/** All rows in one COPY, sent as fast as it goes. */
export const copyAtOnce = async (url: string, count: number): Promise<number> => {
  const db = createDb({
    url,
    applicationName: 'bench',
    connectionsMax: 1,
    clock: systemClock,
    statementTimeoutMs: 600_000,
  })
  await db.execute(create)
  const rows = Array.from({ length: count }, (_, n) => ({
    line: valuesOf(n)
      .slice(3)
      .map((value) => value.replaceAll('\\', '\\\\'))
      .join('\t'),
  })) as Row[]
  const started = performance.now()
  await db.transaction((tx) =>
    copyRows(
      { ...tx, copyFrom: (text) => tx.copyFrom(text.replace('events_log', table)) },
      { batchId: 1, storedAt: new Date().toISOString() },
      rows,
    ),
  )
  const took = (performance.now() - started) / 1000
  await db.execute(`truncate ${table}`)
  await db.close()
  return count / took
}

const connections = 10

const inParallel = async (url: string, seconds: number, each: number): Promise<number> => {
  const pool = new pg.Pool({ connectionString: url, max: connections })
  await pool.query(create)
  const width = copyColumns.split(',').length
  const tuple = (row: number): string =>
    `(${Array.from({ length: width }, (_, i) => `$${row * width + i + 1}`).join(',')})`
  const text = `insert into ${table} (${copyColumns}) values ${Array.from({ length: each }, (_, row) => tuple(row)).join(',')}`
  let rows = 0
  const started = performance.now()
  const end = started + seconds * 1000
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < end) {
        const n = rows
        rows += each
        await pool.query({
          name: `insert ${each}`,
          text,
          values: Array.from({ length: each }, (_, i) => valuesOf(n + i)).flat(),
        })
      }
    }),
  )
  const took = (performance.now() - started) / 1000
  await pool.query(`truncate ${table}`)
  await pool.end()
  return rows / took
}

/** A prepared INSERT for each event, each its own transaction, over ten connections. */
export const insertEach = (url: string, seconds: number): Promise<number> => inParallel(url, seconds, 1)

/** A prepared INSERT of many rows for each request, each its own transaction: without group commit. */
export const insertRequests = (url: string, each: number, seconds: number): Promise<number> =>
  inParallel(url, seconds, each)
