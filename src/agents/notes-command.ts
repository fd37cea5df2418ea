import { parseArgs } from 'node:util'
import { systemClock as clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import { createLog } from '../log.ts'
import { openDatabase } from '../open-database.ts'
import { createProgress, type Progress } from '../progress.ts'
import { createDestinations } from '../storage/destinations.ts'
import { addDays } from './days.ts'
import { openEngine } from './open-engine.ts'
import { readLatestDays, readVaultInput } from './read-vault-input.ts'
import { renderNotes, renderRun, renderStatus, rowsShownMax } from './render.ts'
import type { RunProgress, RunReport } from './run.ts'
import { selectStatus } from './status.ts'
import { openVault } from './vault/open-vault.ts'
import type { VaultProgress } from './vault/scope.ts'

export type NotesIo = {
  config: () => Config
  /** Whether the client is to have anything of a site; undefined: of all. */
  clientSites: (config: Config) => ((siteId: string) => boolean) | undefined
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WriteStream
}

const help = `Usage: evothesis notes <run|prompt|status> [options]

  run      Reads what is new, computes the figures of every day that changed, judges whole days, and writes the notes:
           into VAULT_DIR, and from there to the client's destination.
           --date YYYY-MM-DD   write and show this day only; default: all notes, and the days that changed, else the last week
           --site HOST         write and show this site only
  prompt   Prints the first request that Claude would be sent about each note of a day, and the lines that its tools may
           answer with, byte for byte, whether AGENTS is on or off. Loads the SDK, and sends nothing.
           --date YYYY-MM-DD   of this day; default: the last whole one
           --site HOST         of this site only
  status   What was read, what waits, where the notes are, open alerts and the last runs.

  --json   Prints the answer as JSON.

A server does the same by itself, hourly and after midnight; both may run on one database.
Exit code: 0 done, 1 failed or not delivered, 2 wrong usage.
`
const actions = ['run', 'prompt', 'status'] as const
type Args = { action: (typeof actions)[number]; date: string | undefined; site: string | undefined; json: boolean }

/** `evothesis notes …`. Resolves to the exit code. */
export const notesCommand = async (args: string[], io: NotesIo): Promise<number> => {
  const read = readArgs(args)
  if (read === 'help') {
    io.stdout.write(help)
    return 0
  }
  const config = io.config()
  const log = createLog(config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL)
  const { db, close } = await openDatabase(config, { log, applicationName: 'evothesis notes' })
  const destinations = createDestinations(config)
  try {
    if (read.action === 'prompt') {
      // With AGENTS=off nothing else loads the SDK.
      const { readPrompts, renderPrompts } = await import('./read-prompts.ts')
      const prompts = await readPrompts({ db, config, date: read.date, site: read.site })
      io.stdout.write(read.json ? `${JSON.stringify(prompts, null, 2)}\n` : renderPrompts(prompts))
      return 0
    }
    const vault = openVault({
      ...{ db, config, clock, log, destinations, pauseMs: 0, filesAtOnce: 4 },
      isForClient: io.clientSites(config),
    })
    if (read.action === 'status') {
      const status = { ...(await selectStatus(db)), vault: await vault.status() }
      io.stdout.write(read.json ? `${JSON.stringify(status, null, 2)}\n` : renderStatus(status))
      return 0
    }
    const engine = openEngine({ db, config, clock, log, pauseMs: 0, sitesAtOnce: 2, forgetNotes: vault.forget })
    const show = progressPrinter(io)
    const report = await engine.run({ kind: 'nightly', onProgress: show.update })
    const notes = await vault.write({ kind: 'nightly', day: read.date, site: read.site }, { onProgress: show.update })
    show.finish()
    const lastDay = engine.calendar.dayOf(report.asOf === null ? clock.now() : Date.parse(report.asOf))
    const range = { ...rangeOf(read, report, lastDay), ...(read.site !== undefined && { sites: [read.site] }) }
    if (read.json) {
      const of = { timeZone: config.BILLING_TIMEZONE, customersMax: config.PROFILE_NOTES_MAX, ...range }
      io.stdout.write(`${JSON.stringify({ run: report, notes, ...(await readVaultInput(db, of)) }, null, 2)}\n`)
    } else {
      const latest = await readLatestDays(db, range, rowsShownMax)
      io.stdout.write(renderRun(report, latest, read) + renderNotes(notes, await vault.status()))
    }
    return notes.error === null ? 0 : 1
  } finally {
    for (const destination of destinations) destination.close()
    await close()
  }
}

const rangeOf = ({ date }: Args, report: RunReport, lastDay: string): { from: string; to: string } => {
  if (date !== undefined) return { from: date, to: date }
  const days = report.days.map(({ day }) => day).sort()
  return { from: days[0] ?? addDays(lastDay, -6), to: days.at(-1) ?? lastDay }
}

const readArgs = (args: string[]): Args | 'help' => {
  const wrong = (message: string): AppError => new AppError('usage_invalid', `${message}\n\n${help}`)
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    throw wrong(messageOf(error))
  }
  const { values, positionals } = parsed
  if (values.help) return 'help'
  const [asked, ...rest] = positionals
  const action = actions.find((one) => one === asked)
  if (action === undefined || rest.length > 0) throw new AppError('usage_invalid', help)
  const { date, site, json = false } = values
  if (action === 'status' && (date !== undefined || site !== undefined))
    throw wrong('status takes no --date or --site.')
  if (
    date !== undefined &&
    (!/^\d{4}-\d\d-\d\d$/.test(date) || !new Date(Date.parse(date) || 0).toISOString().startsWith(date))
  )
    throw wrong(`--date takes a day such as 2026-11-20, not ${date}.`)
  return { action, date, site, json }
}

const parse = (args: string[]) =>
  parseArgs({
    args,
    allowPositionals: true,
    options: {
      date: { type: 'string' },
      site: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })

const phases = {
  reading: { label: 'Reading', unit: 'events' },
  days: { label: 'Days', unit: 'days' },
  alerts: { label: 'Alerts', unit: 'steps' },
  weeks: { label: 'Weeks', unit: 'sites' },
  texts: { label: 'Texts', unit: 'notes' },
  notes: { label: 'Notes', unit: 'notes' },
  delivery: { label: 'Delivery', unit: 'files' },
} as const

const progressPrinter = (io: NotesIo) => {
  let bar: Progress | undefined
  let phase: keyof typeof phases | undefined
  return {
    update(progress: RunProgress | VaultProgress): void {
      if (progress.phase !== phase) {
        bar?.finish()
        phase = progress.phase
        bar = createProgress({ stream: io.stderr, total: progress.total, ...phases[progress.phase] })
      }
      bar?.update(progress.done)
    },
    finish: () => bar?.finish(),
  }
}
