import { createHash } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import { finishErasure, selectErasures } from '../erasures.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Destination } from '../storage/destination.ts'
import { type Person, personMarks } from '../storage/person.ts'
import { removeLeft, withRejectFiles } from './reject-files.ts'
import { spooledOnDisk } from './spool.ts'

export type Forgetting = {
  /** Does what can be done now for every erasure. Throws the backup's failure. */
  work(): Promise<void>
  start(): void
  close(): Promise<void>
}

const everyMs = 3_000
const settleMsDefault = 10_000
const leftPrefix = 'forget-'

/**
 * The collector's share of an erasure: says when nothing of before the request is left in the spool, from where it could
 * come into the buffer once more, and takes the person out of the rejects, in the database and in the backup.
 */
export const createForgetting = (deps: {
  db: Db
  clock: Clock
  log: Log
  nodeId: string
  spoolRoot: string
  stagingFolder: string
  backup: Destination | undefined
  /** How long an event may be on its way from its arrival into the buffer or the spool, in milliseconds. */
  settleMs?: number
}): Forgetting => {
  const { db, clock, log, nodeId, backup } = deps
  const ended = new AbortController()
  let running: Promise<void> = Promise.resolve()

  const work = async (): Promise<void> => {
    const oldestMs = (await spooledOnDisk(deps.spoolRoot)).oldestMs ?? Number.POSITIVE_INFINITY
    await db.execute(
      `update erasures set spool_done_at = now()
       where spool_done_at is null and extract(epoch from requested_at) * 1000 < $1::float8`,
      // A segment is named by its first record; what stands behind it may have come a little earlier.
      [Math.min(oldestMs, clock.now()) - (deps.settleMs ?? settleMsDefault)],
    )
    for (const { erasureId, subject } of await selectErasures(db, 'collect')) {
      const marks = personMarks(subject)
      await withRejectFiles(db, async () => {
        await db.execute(
          `delete from rejects where exists (
             select from unnest($1::text[]) as mark where strpos(convert_from(payload, 'UTF8'), mark) > 0)`,
          [marks],
        )
        if (backup) await cleanFiles(deps, backup, marks)
      })
      await finishErasure(db, erasureId, 'collect')
    }
  }

  const cleanFiles = async ({ stagingFolder }: typeof deps, destination: Destination, marks: string[]) => {
    const keys: string[] = []
    for await (const { key } of destination.list(`rejects/${nodeId}/`)) keys.push(key)
    for (const key of keys) {
      const stream = await destination.read(key)
      if (!stream) continue
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      const lines = gunzipSync(Buffer.concat(chunks)).toString('utf8').split('\n').slice(0, -1)
      const kept = lines.filter((line) => !holdsAny(line, marks))
      if (kept.length === lines.length) continue
      const bytes = gzipSync(kept.map((line) => `${line}\n`).join(''))
      const file = path.join(stagingFolder, `${leftPrefix}${path.basename(key)}`)
      await mkdir(stagingFolder, { recursive: true })
      await writeFile(file, bytes)
      try {
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        await destination.replace(key, { path: file, bytes: bytes.length, sha256 })
      } finally {
        await rm(file, { force: true })
      }
    }
  }

  const loop = async (): Promise<void> => {
    await removeLeft(deps.stagingFolder, leftPrefix)
    while (!ended.signal.aborted) {
      await work().catch((error: unknown) => log.warn({ err: error }, `an erasure waits: ${messageOf(error)}`))
      await clock.sleep(everyMs, ended.signal)
    }
  }

  return {
    work,
    start() {
      running = loop()
    },
    async close() {
      ended.abort()
      await running
    },
  }
}

const holdsAny = (line: string, marks: Person['users']): boolean => {
  const { payload } = JSON.parse(line) as { payload: string }
  return marks.some((mark) => payload.includes(mark))
}
