import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import { createForgetting } from '../../src/collect/forget.ts'
import type { Db } from '../../src/db.ts'
import { finishErasure } from '../../src/erasures.ts'
import { releaseBuffer } from '../../src/export/retention.ts'
import { checkParity, verifyDestination } from '../../src/export/verify.ts'
import { createKeyedHash } from '../../src/keyed-hash.ts'
import { silentLog } from '../../src/log.ts'
import { requestErasure } from '../../src/privacy/requests.ts'
import { secret } from '../../src/secret.ts'
import { createFolderDestination } from '../../src/storage/folder-destination.ts'
import type { TestEvent } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'

export const keyedHash = createKeyedHash(secret('test'))
export const gone = 'visitor-to-forget'

export const setUp = async (t: Test, env: NodeJS.ProcessEnv = {}) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const DATA_DIR = await tempFolder(t)
  const service = createTestExporter(db, { DATA_DIR, EXPORT_FORMAT: 'json,csv,parquet', ...env })
  t.teardown(() => service.close())
  const forgetting = createForgetting({
    ...{ db, clock: systemClock, log: silentLog, nodeId: 'n1', settleMs: -1_000 },
    spoolRoot: path.join(DATA_DIR, 'spool'),
    stagingFolder: path.join(DATA_DIR, 'staging'),
    backup: service.destinations.find((one) => one.name === 'backup'),
  })
  const folder = (name: 'client' | 'backup') => createFolderDestination(name, path.join(DATA_DIR, 'exports', name))
  const verify = async () => {
    const [client, backup] = await Promise.all([
      verifyDestination(folder('client'), { full: true }),
      verifyDestination(folder('backup'), { full: true }),
    ])
    return { client, backup, parity: checkParity(client.chain, backup.chain).problems }
  }
  return { db, DATA_DIR, service, forgetting, verify }
}
export type Lab = Awaited<ReturnType<typeof setUp>>

export const event = (visitor: string, more: TestEvent = {}): TestEvent => ({
  visitor_id: visitor,
  raw_event_data: JSON.stringify({ eventType: 'pageview', visitorId: visitor, note: `of ${visitor}` }),
  ...more,
})

/** Rows whose part was verified leave the buffer; the agents have read them. */
export const release = async (db: Db) => {
  await db.execute('update batches set agents_run_id = 1')
  const policy = { keepMs: -1_000, diskIsLow: false, backupBucket: null }
  return releaseBuffer({ db, clock: systemClock, log: silentLog }, policy)
}

export const forget = async ({ db, service, forgetting }: Lab, id: { visitor?: string; user?: string }) => {
  const { erasureId } = await requestErasure(db, keyedHash, id, { by: 'a test', nowMs: Date.now() })
  await forgetting.work()
  await service.exporter.run()
  await forgetting.work()
  await finishErasure(db, erasureId, 'agents')
  return erasureId
}

/** Every byte below a folder, with compressed files opened; Parquet is searched as text of all its values. */
export const search = async (folder: string, text: string): Promise<string[]> => {
  const found: string[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = path.join(entry.parentPath, entry.name)
    const bytes = await readFile(file)
    const texts = [bytes.toString('latin1')]
    if (file.endsWith('.gz')) texts.push(gunzipSync(bytes).toString('latin1'))
    if (file.endsWith('.parquet')) texts.push(await parquetText(file))
    if (texts.some((one) => one.includes(text))) found.push(path.relative(folder, file))
  }
  return found
}
const parquetText = async (file: string): Promise<string> => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const rows = await connection.runAndReadAll(`select to_json(t)::varchar from read_parquet('${file}') t`)
  return rows.getRows().flat().join('\n')
}
export const searchDatabase = async (db: Db, text: string): Promise<string[]> => {
  const found: string[] = []
  for (const { name } of await db.query<{ name: string }>(
    `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
  )) {
    const rows = await db.query(
      `select 1 from "${name}" x where to_jsonb(x)::text like '%' || $1::text || '%'
       or to_jsonb(x)::text like '%' || encode(convert_to($1::text, 'UTF8'), 'hex') || '%' limit 1`,
      [text],
    )
    if (rows.length > 0) found.push(name)
  }
  return found
}
