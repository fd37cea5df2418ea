import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { RunReport } from '../../../src/agents/run.ts'
import { openVaultFolder, type VaultFolder } from '../../../src/agents/vault/folder.ts'
import type { VaultDeps } from '../../../src/agents/vault/scope.ts'
import { createVault, type Vault } from '../../../src/agents/vault/vault.ts'
import { systemClock } from '../../../src/clock.ts'
import type { Db } from '../../../src/db.ts'
import { generateTraffic } from '../../../src/demo/generate.ts'
import { silentLog } from '../../../src/log.ts'
import { createFolderDestination } from '../../../src/storage/folder-destination.ts'
import { createTestDatabase, testServer } from '../../support/database.ts'
import { engineOn, storeTraffic } from '../lab.ts'

export type Tap = { teardown(fn: () => unknown): void }
export const untilMs = Date.UTC(2026, 10, 20)

export type VaultLab = {
  db: Db
  folder: VaultFolder
  vault: Vault
  /** The destination's own folder, and what is under its keys. */
  bucketRoot: string
  run(kind?: 'hourly' | 'nightly'): Promise<RunReport>
  /** All files by path, with their bytes and when they were written. */
  files(): Promise<Map<string, { text: string; mtimeMs: number }>>
}

export const temporaryFolder = async (t: Tap): Promise<string> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** A database, a vault on the disk, and a destination for it. */
export const vaultLab = async (t: Tap, rest: Partial<VaultDeps> = {}): Promise<VaultLab> => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const root = await temporaryFolder(t)
  const bucketRoot = path.join(root, 'bucket')
  const folder = openVaultFolder(path.join(root, 'vault'))
  const vault = createVault({
    ...{ db, folder, clock: systemClock, log: silentLog, nodeId: 'n1', timeZone: 'UTC', customersMax: 100 },
    ...{ destination: createFolderDestination('client', bucketRoot), keepDays: undefined, narrator: null, pauseMs: 0 },
    ...rest,
  })
  return {
    ...{ db, folder: rest.folder ?? folder, vault, bucketRoot },
    run: (kind = 'nightly') => engineOn(db, { forgetNotes: vault.forget }).run({ kind }),
    files: () => filesOf(folder),
  }
}

export const filesOf = async (folder: VaultFolder): Promise<Map<string, { text: string; mtimeMs: number }>> => {
  const found = new Map<string, { text: string; mtimeMs: number }>()
  for (const at of await folder.list()) {
    const place = path.join(folder.root, at)
    found.set(at, { text: await readFile(place, 'utf8'), mtimeMs: (await stat(place)).mtimeMs })
  }
  return found
}

/** A few days of two shops. */
export const storeDays = (db: Db, some: { events?: number; days?: number; seed?: number } = {}): Promise<void> =>
  storeTraffic(
    db,
    generateTraffic({ events: 2_500, sites: 2, seed: 5, days: 4, untilMs, anomaly: {}, ...some }).requests,
    untilMs,
  )

/** One server for all databases of a file with many small tests. */
export const shareServer = async (t: Tap): Promise<void> => {
  const server = await testServer()
  process.env.TEST_DATABASE_URL = server.url
  t.teardown(() => server.stop())
}
