import { utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { findBufferUrl } from '../buffer.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { createDb, type Db } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { startSchedule } from '../schedule.ts'
import type { Destination } from '../storage/destination.ts'
import { createDestinations } from '../storage/destinations.ts'
import { durationText, type Io, readOptions, sizeText } from './arguments.ts'
import { listBackups, madeMs, pruneBackups } from './backups.ts'
import { type MadeBackup, makeBackup } from './make-backup.ts'

const help = `Usage: evothesis backup [options]

  Backs up this machine: database, spool, vault, secrets of DATA_DIR, and what BACKUP_INCLUDE names, encrypted for all
  BACKUP_RECIPIENTS, into the backup destination below backups/<NODE_ID>/. Old ones leave after BACKUP_KEEP_DAYS. A
  restore loses what was not in the backup and not yet delivered: with hourly exports and daily backups, events of the last
  hour, and decisions, webhooks and notes of the last day.

  --list        Lists the backups that are there.
  --scheduled   Keeps running and makes one as BACKUP_SCHEDULE says, and at once where the latest is too old.
  --force       Although backups of an earlier life of this machine are there that this database does not know.
  --json        Prints the answer as JSON.

Needs pg_dump of the server's major version. Exit code: 0 done, 1 failed, 2 wrong usage.
`
/** The container's healthcheck looks at this file. */
const aliveFile = path.join(tmpdir(), 'backup-alive')
const aliveEveryMs = 60_000
const retryMs = 30 * 60_000
const staleMs = 26 * 3_600_000

export type ApplianceIo = Io & {
  config: () => Config
  clock: Clock
  log: (config: Config) => Log
  /** Resolves when the process is asked to stop. */
  stop: () => Promise<void>
  /** Is told after each backup, so that the fleet sees how the machine is. */
  afterBackup?: (deps: OpenedAppliance) => Promise<void>
}
export type OpenedAppliance = { db: Db; url: string; config: Config; clock: Clock; backup: Destination }

/** The database and the backup destination, as the settings say. Throws `database_failed` where no database runs. */
export const openAppliance = async (
  config: Config,
  clock: Clock,
): Promise<OpenedAppliance & { close(): Promise<void> }> => {
  const url = await findBufferUrl(config)
  if (url === undefined)
    throw new AppError('database_failed', 'No database runs on this DATA_DIR; start the server, or set DATABASE_URL.')
  const destinations = createDestinations(config)
  const backup = destinations.find((one) => one.name === 'backup')
  if (!backup) throw new AppError('internal', 'There is no backup destination.')
  const db = createDb({ url, applicationName: 'evothesis backup', connectionsMax: 3, clock })
  return {
    ...{ db, url, config, clock, backup },
    async close() {
      await db.close()
      for (const one of destinations) one.close()
    },
  }
}

/** `evothesis backup …`. Resolves to the exit code. */
export const backupCommand = async (args: string[], io: ApplianceIo): Promise<number> => {
  const flag = { type: 'boolean' } as const
  const options = readOptions(args, { list: flag, scheduled: flag, force: flag }, help)
  if (options.help) {
    io.stdout.write(help)
    return 0
  }
  const config = io.config()
  if (options.scheduled) return schedule(config, io)
  const opened = await openAppliance(config, io.clock)
  try {
    if (options.list) {
      const backups = await listBackups(opened.backup, config.NODE_ID)
      const lines = backups.map((one) => `${one.name}${one.isWhole ? '' : '  incomplete'}\n`).join('')
      io.stdout.write(options.json ? `${JSON.stringify({ backups }, null, 2)}\n` : lines || 'There are none.\n')
      return 0
    }
    const made = await makeBackup({ ...opened, force: options.force === true })
    const after = await finish(opened, io)
    io.stdout.write(options.json ? `${JSON.stringify({ ...made, ...after }, null, 2)}\n` : textOf(made, after))
    return 0
  } finally {
    await opened.close()
  }
}

type Finished = { removed: string[]; problems: string[] }

/**
 * What follows a backup: old ones leave, and the fleet is told. The backup is made whatever becomes of that; a bucket that
 * lets nobody delete is a good one.
 */
const finish = async (opened: OpenedAppliance, { afterBackup }: ApplianceIo): Promise<Finished> => {
  const { backup, config, clock } = opened
  const finished: Finished = { removed: [], problems: [] }
  const keep = { keepDays: config.BACKUP_KEEP_DAYS, nowMs: clock.now() }
  await pruneBackups(backup, config.NODE_ID, keep).then(
    (removed) => finished.removed.push(...removed),
    (error) => finished.problems.push(`Old backups could not be removed: ${messageOf(error)}`),
  )
  await afterBackup?.(opened).catch((error) =>
    finished.problems.push(`The status for the fleet could not be written: ${messageOf(error)}`),
  )
  return finished
}

const textOf = ({ name, manifest }: MadeBackup, { removed, problems }: Finished): string =>
  [
    `Backup ${name}: ${manifest.files.map((one) => `${one.name} ${sizeText(one.bytes)}`).join(', ')}, ${durationText(manifest.duration_ms)}.`,
    `Readable for ${manifest.recipients.length} recipients.`,
    ...(removed.length > 0 ? [`Removed: ${removed.join(', ')}.`] : []),
    ...problems,
    '',
  ].join('\n')

/** One backup at a time; one that fails is tried again after half an hour, until the next is due. */
const schedule = async (config: Config, io: ApplianceIo): Promise<number> => {
  const { clock } = io
  const log = io.log(config)
  const stopping = new AbortController()
  const stopped = io.stop().then(() => stopping.abort())
  let running: Promise<void> = Promise.resolve()
  let again = false

  const once = async (): Promise<void> => {
    try {
      const opened = await openAppliance(config, clock)
      try {
        const { name, manifest } = await makeBackup(opened)
        const { removed, problems } = await finish(opened, io)
        log.info({ name, duration_ms: manifest.duration_ms, removed }, 'backed up')
        for (const problem of problems) log.warn({ name }, problem)
      } finally {
        await opened.close()
      }
      again = false
    } catch (error) {
      again = true
      log.error({ err: error }, `the backup failed: ${messageOf(error)}`)
    }
  }
  const run = (): Promise<void> => {
    running = running.then(() => (stopping.signal.aborted ? undefined : once()))
    return running
  }
  if (config.BACKUP_SCHEDULE !== 'off' && (await isStale(config, clock).catch(() => true))) void run()
  const timer = startSchedule(config.BACKUP_SCHEDULE, () => void run())
  let retryAtMs = clock.now() + retryMs
  while (!stopping.signal.aborted) {
    touch(clock.now())
    await clock.sleep(aliveEveryMs, stopping.signal)
    if (clock.now() < retryAtMs) continue
    retryAtMs = clock.now() + retryMs
    if (again) void run()
  }
  timer.stop()
  await stopped
  await running
  return 0
}

const isStale = async (config: Config, clock: Clock): Promise<boolean> => {
  const opened = await openAppliance(config, clock)
  try {
    const latest = (await listBackups(opened.backup, config.NODE_ID)).filter((one) => one.isWhole).at(-1)
    // One of the future was made while the clock was wrong.
    return latest === undefined || Math.abs(clock.now() - madeMs(latest.name)) > staleMs
  } finally {
    await opened.close()
  }
}

const touch = (nowMs: number): void => {
  writeFileSync(aliveFile, '')
  utimesSync(aliveFile, nowMs / 1000, nowMs / 1000)
}
