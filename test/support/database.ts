import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { systemClock } from '../../src/clock.ts'
import { createDb, type Db } from '../../src/db.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres.ts'
import { silentLog } from '../../src/log.ts'
import { migrate } from '../../src/migrate.ts'

export type TestDatabase = { url: string; db: Db; close(): Promise<void> }

/**
 * A migrated database of its own for one test file, on a real server: the one of `TEST_DATABASE_URL` (PostgreSQL or
 * TimescaleDB), else an embedded PostgreSQL that is started for this file and removed with it.
 */
export const createTestDatabase = async (): Promise<TestDatabase> => {
  const server = await testServer()
  const name = `test_${randomBytes(6).toString('hex')}`
  await admin(server.url, `create database ${name}`)
  const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).href
  const db = createDb({ url, applicationName: 'test', connectionsMax: 10, clock: systemClock })
  await migrate(db, silentLog, { compressAfterDays: 7 })
  return {
    url,
    db,
    async close() {
      await db.close()
      await admin(server.url, `drop database ${name} with (force)`)
      await server.stop()
    },
  }
}

/** Settings by which a whole server uses the shared test server, in a database of its own; none where there is none. */
export const serverDatabase = async (t: { teardown(fn: () => unknown): void }): Promise<{ DATABASE_URL?: string }> => {
  if (!process.env.TEST_DATABASE_URL) return {}
  const { url, close } = await createTestDatabase()
  t.teardown(close)
  return { DATABASE_URL: url }
}

/** A server to make databases on. */
export const testServer = async (): Promise<{ url: string; stop(): Promise<void> }> => {
  const shared = process.env.TEST_DATABASE_URL
  if (shared) return { url: shared, stop: async () => {} }
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-test-'))
  const server = await startEmbeddedPostgres(folder)
  return {
    url: server.url,
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const admin = async (url: string, statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement)
  await client.end()
}
