import path from 'node:path'
import root, { type Test } from 'tap'
import { type BillingService, createBillingService } from '../../src/billing/service.ts'
import type { Statement } from '../../src/billing/statement.ts'
import { selectStatements } from '../../src/billing/statement-rows.ts'
import type { Config } from '../../src/config.ts'
import type { Db } from '../../src/db.ts'
import type { ExportService } from '../../src/export/service.ts'
import { type Log, silentLog } from '../../src/log.ts'
import { insertBatch, type TestEvent } from '../support/batches.ts'
import { createTestDatabase, testServer } from '../support/database.ts'
import { createTestExporter, tempFolder, testConfig } from '../support/exporter.ts'
import { createTestClock, type TestClock } from './test-clock.ts'

// One server for all databases of a file.
if (!process.env.TEST_DATABASE_URL) {
  const server = await testServer()
  process.env.TEST_DATABASE_URL = server.url
  root.teardown(() => server.stop())
}

export type BillingLab = {
  db: Db
  url: string
  config: Config
  env: NodeJS.ProcessEnv
  clock: TestClock
  exporting: ExportService
  billing: BillingService
  /** Where the backup's files are, without a bucket. */
  backupFolder: string
  /** A batch of that many pageviews of a site at an instant, from two visitors at least. */
  visit(site: string, at: string, pageviews?: number, event?: TestEvent): Promise<number>
  /** Exports what is there, then lets billing do its round. */
  round(): Promise<void>
  statements(): Promise<Statement[]>
}

/** One node: a real database, the real exporter, and billing with a clock that the test moves. */
export const createBillingLab = async (
  t: Test,
  env: NodeJS.ProcessEnv = {},
  clock: TestClock = createTestClock(),
): Promise<BillingLab> => {
  const database = await createTestDatabase()
  const DATA_DIR = env.DATA_DIR ?? (await tempFolder(t))
  const all = { DATA_DIR, CLIENT_ID: 'acme', ...env }
  const config = testConfig(all)
  const { db, url } = database
  const exporting = createTestExporter(db, all)
  const { destinations } = exporting
  const errors: string[] = []
  const log: Log = { ...silentLog, error: (_fields, message) => void errors.push(message) }
  const service = createBillingService({ db, config, clock, log, adminToken: 'token', destinations, syncMs: 0 })
  const billing: BillingService = {
    ...service,
    // A server logs what fails and goes on; a test stops.
    async runOnce() {
      await service.runOnce()
      if (errors.length > 0) throw new Error(errors.splice(0).join('\n'))
    },
  }
  t.teardown(async () => {
    await billing.close()
    await exporting.close()
    await database.close()
  })
  return {
    ...{ db, url, config, env: all, clock, exporting, billing, backupFolder: path.join(DATA_DIR, 'exports', 'backup') },
    visit: (site, at, pageviews = 1, event = {}) =>
      insertBatch(
        db,
        Array.from({ length: pageviews }, (_, n) => ({
          ...{ site_id: site, created_at: at, visitor_id: `visitor ${n % 3}`, ip_address: `198.51.${n % 3}.0` },
          ...event,
        })),
      ),
    async round() {
      await exporting.exporter.run()
      await billing.runOnce()
    },
    statements: async () => (await selectStatements(db)).map((one) => one.statement),
  }
}

export const approve = (lab: BillingLab, ...domains: string[]): Promise<number> =>
  lab.db.execute(
    `insert into domains (domain, state, decided_at, decided_by)
     select domain, 'approved', '2026-01-01Z', 'test' from unnest($1::text[]) as domain`,
    [domains],
  )
