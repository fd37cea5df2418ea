import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import { type Destination, readText } from '../storage/destination.ts'
import { sha256OfText } from '../storage/sha256.ts'
import { backupsPrefix } from './backup-manifest.ts'
import { listBackups, madeMs } from './backups.ts'
import { type Check, fail, ok, skipped, warn } from './check.ts'

const hourMs = 3_600_000
const backupMs = { warn: 26 * hourMs, fail: 50 * hourMs }
const drillMs = 35 * 24 * hourMs

/** Writes, reads back, compares and removes a small object, as an export does with its files. */
export const checkDestination = async (destination: Destination, config: Config): Promise<Check> => {
  const name = `${destination.name} destination`
  const folder = path.join(path.resolve(config.DATA_DIR), 'staging')
  const text = `${randomUUID()}\n`
  const file = path.join(folder, `probe-${randomUUID()}`)
  const key = `health/${config.NODE_ID}.txt`
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(file, text)
    const local = { path: file, bytes: Buffer.byteLength(text), sha256: sha256OfText(text) }
    const { method } = await destination.replace(key, local)
    const stream = await destination.read(key)
    if (!stream || (await readText(stream)) !== text)
      return fail(
        name,
        'it gave back something else than was written',
        'Do not use this service: it does not keep what it takes.',
      )
    const removed = await destination.remove(key).then(
      () => true,
      () => false,
    )
    return ok(name, `writes and reads, checksum by ${method}${removed ? '' : ', may not delete'}`)
  } catch (error) {
    return fail(name, messageOf(error), 'Mend its keys or permissions; nothing is lost meanwhile.')
  } finally {
    await rm(file, { force: true })
  }
}

/** How old the latest backup and the latest drill are. */
export const checkBackups = async (backup: Destination, config: Config, nowMs: number): Promise<Check[]> => {
  if (config.BACKUP_RECIPIENTS === undefined)
    return [skipped('backup', 'BACKUP_RECIPIENTS is not set: this machine is not backed up')]
  try {
    const latest = (await listBackups(backup, config.NODE_ID)).filter((one) => one.isWhole).at(-1)
    const checks: Check[] = []
    const advice = 'Run: evothesis backup, and see the log of the backup container.'
    if (!latest) checks.push(fail('backup', 'there is none', advice))
    else {
      const ageMs = nowMs - madeMs(latest.name)
      const found = `${latest.name}, ${Math.round(ageMs / hourMs)} hours old`
      if (ageMs < -hourMs)
        return [
          fail('backup', `${latest.name} is of the future`, 'The clock was wrong when it was made; remove it by hand.'),
        ]
      const state = ageMs > backupMs.fail ? fail : ageMs > backupMs.warn ? warn : (n: string, f: string) => ok(n, f)
      checks.push(state('backup', found, advice))
    }
    if (config.BACKUP_S3_BUCKET === undefined)
      checks.push(
        warn(
          'backup place',
          'the disk of this machine',
          'Set BACKUP_S3_BUCKET: what lies beside the data is lost with it.',
        ),
      )
    let drilled: string | undefined
    for await (const { key } of backup.list(`${backupsPrefix}${config.NODE_ID}/drills/`)) drilled = key
    const drilledMs = drilled === undefined ? undefined : madeMs(path.basename(drilled, '.json'))
    if (drilledMs === undefined || nowMs - drilledMs > drillMs)
      checks.push(
        warn(
          'drill',
          drilledMs === undefined ? 'never' : `${Math.round((nowMs - drilledMs) / (24 * hourMs))} days ago`,
          'A backup counts once it was restored. Run: evothesis drill --identity FILE',
        ),
      )
    else checks.push(ok('drill', `${Math.round((nowMs - drilledMs) / (24 * hourMs))} days ago`))
    return checks
  } catch (error) {
    return [fail('backup', messageOf(error), 'Mend the backup destination.')]
  }
}
