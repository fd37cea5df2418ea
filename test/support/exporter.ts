import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Clock, systemClock } from '../../src/clock.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import type { Db } from '../../src/db.ts'
import { createExportService, type ExportService } from '../../src/export/service.ts'
import { silentLog } from '../../src/log.ts'

export const testConfig = (env: NodeJS.ProcessEnv): Config => loadConfig(env, '/dev/null')

export const tempFolder = async (t: { teardown(fn: () => unknown): void }): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-data-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** An exporter on this database, as the settings say, without schedule. */
export const createTestExporter = (db: Db, env: NodeJS.ProcessEnv, clock: Clock = systemClock): ExportService =>
  createExportService({
    db,
    config: testConfig({ EXPORT_SCHEDULE: 'off', ...env }),
    clock,
    log: silentLog,
    adminToken: 'token',
  })
