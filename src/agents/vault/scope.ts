import type { Clock } from '../../clock.ts'
import type { Db } from '../../db.ts'
import type { Log } from '../../log.ts'
import type { Destination } from '../../storage/destination.ts'
import type { Narrate } from '../narrative.ts'
import type { RunKind } from '../run-rows.ts'
import type { VaultFolder } from './folder.ts'

export type VaultDeps = {
  db: Db
  clock: Clock
  log: Log
  folder: VaultFolder
  /** The client's. */
  destination: Destination
  nodeId: string
  timeZone: string
  customersMax: number
  /** Whether the client is to have anything of a site; of others there is no note. Default: of all. */
  isForClient?: ((siteId: string) => boolean) | undefined
  /** Notes of days that are older, counted from the newest day, are let go; undefined: none. */
  keepDays: number | undefined
  /** Who writes texts; null: the plain ones stand, and nobody is asked. */
  narrator: ((kind: RunKind) => Narrate) | null
  /** Which model that is, and how it is asked: by another one texts are written anew. */
  writer?: string
  /** Between two files, so that collecting never waits for notes. */
  pauseMs: number
  /** Files that are written at the same time: each waits for the disk. Default: one. */
  filesAtOnce?: number | undefined
}

/**
 * What to write: what looks at days, of these days, and the alerts; or everything. `sites` and `days` of a command narrow
 * both down.
 */
export type VaultScope =
  | { kind: 'hourly'; days: readonly { siteId: string; day: string }[] }
  | { kind: 'nightly'; day?: string | undefined; site?: string | undefined }

export type VaultProgress = { phase: 'texts' | 'notes' | 'delivery'; done: number; total: number }
export type VaultOptions = { signal?: AbortSignal | undefined; onProgress?: (progress: VaultProgress) => void }
