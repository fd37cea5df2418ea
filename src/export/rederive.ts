import path from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../log.ts'
import { digestOfFile, sha256OfText } from '../storage/sha256.ts'
import { producerVersion } from '../types.ts'
import { isBufferedSql } from './parts.ts'
import { createExportService } from './service.ts'

type Candidate = { partId: number; epoch: string; seq: number; revision: number }

/**
 * Makes the files of the latest part whose rows are all in the buffer once more, into a folder of this machine, and answers
 * their hashes beside those that the database states; null when no part is there that this version made. For a scratch
 * database that is thrown away afterwards: its deliveries are rewritten.
 */
export const rederivePart = async (
  deps: { config: Config; clock: Clock; log: Log },
  db: Db,
  folder: string,
): Promise<{ what: string; stated: string; derived: string } | null> => {
  const part = await selectCandidate(db)
  if (!part) return null
  await leaveOnly(db, part)
  const config: Config = {
    ...deps.config,
    ...{ CLIENT_S3_BUCKET: undefined, BACKUP_S3_BUCKET: undefined, DATA_DIR: folder, EXPORT_SCHEDULE: 'off' },
  }
  const service = createExportService({ db, config, clock: deps.clock, log: deps.log, adminToken: '' })
  try {
    const report = await service.exporter.run({ claim: false })
    if (report.held !== null) throw new AppError('verify_failed', `The part could not be made again: ${report.held}`)
  } finally {
    await service.close()
  }
  const objects = await db.query<{ key: string; sha256: string }>(
    `select key, sha256 from export_objects where part_id = $1::bigint and revision = $2::int and view = '' order by key`,
    [part.partId, part.revision],
  )
  const made = await Promise.all(objects.map(({ key }) => sha256Of(path.join(folder, 'exports', 'backup', key))))
  return {
    what: `part ${part.seq} of epoch ${part.epoch} (${objects.length} files)`,
    stated: sha256OfText(objects.map((one) => one.sha256).join()),
    derived: sha256OfText(made.join()),
  }
}

const sha256Of = async (file: string): Promise<string> =>
  (await digestOfFile(file).catch(() => ({ sha256: 'missing' }))).sha256

/** The latest part of this version that has objects, and all of whose batches and rows are here. */
const selectCandidate = async (db: Db): Promise<Candidate | undefined> => {
  const [part] = await db.query<Candidate>(
    `select part_id as "partId", epoch, seq, revision from export_parts p
     where manifest is not null and quarantined is null and not adopted and released_at is null and producer = $1::text
       and exists (select from export_objects o where o.part_id = p.part_id and o.revision = p.revision)
       and ${isBufferedSql('p')}
     order by part_id desc limit 1`,
    [producerVersion],
  )
  return part
}

/** Everything else counts as done, and this part as not delivered yet. */
const leaveOnly = (db: Db, { partId, revision }: Candidate): Promise<void> =>
  db.transaction(async (tx) => {
    const open = '(select part_id from export_parts where manifest is null)'
    await tx.execute(`update batches set part_id = null where part_id in ${open}`)
    await tx.execute(`delete from recorded_parts where part_id in ${open}`)
    for (const table of ['deliveries', 'export_objects', 'part_usage', 'export_parts'])
      await tx.execute(`delete from ${table} where part_id in ${open}`)
    await tx.execute(`update deliveries set state = 'verified' where state <> 'verified'`)
    await tx.execute('delete from deliveries where part_id = $1::bigint', [partId])
    await tx.execute(
      `insert into deliveries (part_id, revision, object_id, destination)
       select $1::bigint, $2::int, object_id, 'backup' from export_objects where part_id = $1::bigint and revision = $2::int
       union all select $1::bigint, $2::int, null, 'backup'`,
      [partId, revision],
    )
  })
