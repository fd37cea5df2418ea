import type { Clock } from '../clock.ts'
import { createDb, type Db } from '../db.ts'

/** The address of another database on the same server. */
export const siblingUrl = (url: string, name: string): string => {
  const parsed = new URL(url)
  parsed.pathname = `/${encodeURIComponent(name)}`
  return parsed.href
}
export const databaseName = (url: string): string => decodeURIComponent(new URL(url).pathname.slice(1))

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Asks the server's own database, for what cannot be asked of the one that is made or dropped. */
export const onServer = async <T>(url: string, clock: Clock, work: (db: Db) => Promise<T>): Promise<T> => {
  const name = databaseName(url) === 'postgres' ? 'template1' : 'postgres'
  const db = createDb({
    ...{ url: siblingUrl(url, name), applicationName: 'evothesis restore', connectionsMax: 1, clock },
    statementTimeoutMs: 0,
  })
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}

export const createDatabase = (url: string, clock: Clock): Promise<number> =>
  onServer(url, clock, (db) => db.execute(`create database ${quoted(databaseName(url))} template template0`))

/** With whoever is still connected. */
export const dropDatabase = (url: string, clock: Clock): Promise<number> =>
  onServer(url, clock, (db) => db.execute(`drop database if exists ${quoted(databaseName(url))} with (force)`))

/** Whether the database is there, and whether it holds tables of ours. */
export const stateOfDatabase = async (url: string, clock: Clock): Promise<'missing' | 'empty' | 'used'> => {
  const found = await onServer(url, clock, (db) =>
    db.query('select from pg_database where datname = $1::text', [databaseName(url)]),
  )
  if (found.length === 0) return 'missing'
  const db = createDb({ url, applicationName: 'evothesis restore', connectionsMax: 1, clock })
  try {
    const [row] = await db.query<{ used: boolean }>(
      `select to_regclass('public.schema_migrations') is not null as used`,
    )
    return row?.used ? 'used' : 'empty'
  } finally {
    await db.close()
  }
}
