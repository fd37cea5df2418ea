import { createHash } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Clock } from '../clock.ts'
import type { Db, Queryable } from '../db.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Destination } from '../storage/destination.ts'
import { removeLeft, withRejectFiles } from './reject-files.ts'

export type RejectsDelivery = {
  /** Delivers what waits now; resolves to the number of rejects. Throws the destination's failure. */
  deliver(): Promise<number>
  start(): void
  close(): Promise<void>
}

/** Rejects of one file; a flood makes many files, not a large one. */
const fileRejectsMax = 1_000
const everyMs = 5 * 60_000
const leftPrefix = 'rejects-'
/** Delivered rejects stay this long for whoever looks into the database. */
const keptDays = 7

/**
 * Hands rejects to the backup destination, so that nothing which was sent is lost: gzipped JSON lines under
 * `rejects/<node>/dt=<day>/`, beside manifests and chain, for rejects are neither delivered to the client nor billed.
 * Payloads were redacted before they were stored. A crash between writing and marking may deliver a reject in two files:
 * `reject_id` tells.
 */
export const createRejectsDelivery = (deps: {
  db: Db
  clock: Clock
  log: Log
  nodeId: string
  destination: Destination
  stagingFolder: string
}): RejectsDelivery => {
  const { db, clock, log, nodeId, destination, stagingFolder } = deps
  const ended = new AbortController()
  let running: Promise<void> = Promise.resolve()

  const deliverFile = async (): Promise<number> => {
    const rejects = await selectUndelivered(db)
    const [first] = rejects
    const last = rejects.at(-1)
    if (!first || !last) return 0
    const name = `${first.epoch}-${String(first.reject_id).padStart(10, '0')}-${String(last.reject_id).padStart(10, '0')}`
    const bytes = gzipSync(rejects.map((reject) => `${JSON.stringify(lineOf(reject))}\n`).join(''))
    const file = path.join(stagingFolder, `${leftPrefix}${name}.json.gz`)
    await mkdir(stagingFolder, { recursive: true })
    await writeFile(file, bytes)
    try {
      await destination.create(`rejects/${nodeId}/dt=${first.created_at.slice(0, 10)}/${name}.json.gz`, {
        path: file,
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      })
    } finally {
      await rm(file, { force: true })
    }
    await markDelivered(
      db,
      rejects.map((reject) => reject.reject_id),
    )
    return rejects.length
  }

  const deliver = async (): Promise<number> => {
    let total = 0
    const next = () => withRejectFiles(db, deliverFile)
    for (let made = await next(); made > 0; made = await next()) total += made
    await deleteDelivered(db)
    return total
  }

  const loop = async (): Promise<void> => {
    await removeLeft(stagingFolder, leftPrefix)
    while (!ended.signal.aborted) {
      try {
        const delivered = await deliver()
        if (delivered > 0) log.info({ rejects: delivered }, 'rejects delivered to the backup')
      } catch (error) {
        log.warn({ err: error }, `rejects wait: ${messageOf(error)}`)
      }
      await clock.sleep(everyMs, ended.signal)
    }
  }

  return {
    deliver,
    start() {
      running = loop()
    },
    async close() {
      ended.abort()
      await running
    },
  }
}

type Reject = {
  reject_id: number
  epoch: string
  created_at: string
  site_id: string | null
  code: string
  message: string
  payload: Buffer
}

const lineOf = ({ reject_id, created_at, site_id, code, message, payload }: Reject) => ({
  ...{ reject_id, created_at, site_id, code, message },
  payload: payload.toString('utf8'),
})

const selectUndelivered = (db: Queryable): Promise<Reject[]> =>
  db.query<Reject>(
    `select reject_id, (select epoch from epochs where is_current) as epoch,
            to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at, site_id, code, message,
            payload
     from rejects where exported_at is null order by reject_id limit $1::int`,
    [fileRejectsMax],
  )

const markDelivered = (db: Queryable, ids: readonly number[]): Promise<number> =>
  db.execute('update rejects set exported_at = now() where reject_id = any($1::bigint[])', [ids])

const deleteDelivered = (db: Queryable): Promise<number> =>
  db.execute('delete from rejects where exported_at < now() - make_interval(days => $1::int)', [keptDays])
