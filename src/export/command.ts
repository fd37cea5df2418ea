import { parseArgs } from 'node:util'
import { z } from 'zod'
import { type AdminClient, findAdminClient } from '../admin-client.ts'
import { openBuffer } from '../buffer.ts'
import { systemClock as clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import { createLog } from '../log.ts'
import { createProgress } from '../progress.ts'
import type { RunProgress, RunReport } from './exporter.ts'
import { renderAdopted, renderReport, renderStatus } from './render.ts'
import { openReplay, type ReplayRange } from './replay.ts'
import { replayQuery } from './routes.ts'
import { createExportService, type ExportService } from './service.ts'
import { type ExportStatus, selectStatus } from './status.ts'
import { verifyCommand } from './verify-command.ts'

export type Io = { config: () => Config; stdout: NodeJS.WritableStream; stderr: NodeJS.WriteStream }

const help = `Usage: evothesis export <run|status|verify|replay|adopt> [--json]

  run      Makes parts of all new events and delivers what waits, to both destinations.
  status   Shows what is delivered, what waits, and why.
  verify   Checks what was delivered from the files alone; see evothesis export verify --help.
  replay   --from TIME --to TIME [--destination client|backup] [--format json|csv|parquet]
           Delivers what arrived in that time again: same keys, same bytes, from the buffer or the other destination.
  adopt    Takes over the manifests that this node delivered in an earlier life of its database.

  --json   Prints the answer as JSON.

Where a server runs on this DATA_DIR, it does the work; else this command does.
Exit code: 0 all verified, 1 something failed or waits for somebody, 2 wrong usage.
`
const actions = ['run', 'status', 'replay', 'adopt'] as const
type Action = (typeof actions)[number]
/** Between two looks at a server's progress. */
const lookMs = 500

/** `evothesis export …`. Resolves to the exit code. */
export const exportCommand = async (args: string[], io: Io): Promise<number> => {
  if (args[0] === 'verify') return verifyCommand(args.slice(1), io, 'settings')
  const { action, json, range } = readArgs(args)
  if (action === 'help') {
    io.stdout.write(help)
    return 0
  }
  const config = io.config()
  const server = findAdminClient(config)
  const answer = server ? await askServer(server, action, io, range) : await doHere(config, action, io, range)
  io.stdout.write(json ? `${JSON.stringify(answer.value, null, 2)}\n` : answer.text)
  return answer.ok ? 0 : 1
}

const readArgs = (args: string[]): { action: Action | 'help'; json: boolean; range?: ReplayRange } => {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(args)
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
  const [name, ...rest] = parsed.positionals
  if (parsed.values.help) return { action: 'help', json: false }
  const action = actions.find((one) => one === name)
  if (!action || rest.length > 0) throw new AppError('usage_invalid', help)
  const { json = false, help: _, ...given } = parsed.values
  if (action !== 'replay' && Object.keys(given).length === 0) return { action, json }
  const range = replayQuery.safeParse(given)
  if (action !== 'replay' || !range.success)
    throw new AppError('usage_invalid', `${range.error ? z.prettifyError(range.error) : 'Unknown option.'}\n\n${help}`)
  return { action, json, range: range.data }
}

const parse = (args: string[]) =>
  parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      from: { type: 'string' },
      to: { type: 'string' },
      destination: { type: 'string' },
      format: { type: 'string' },
    },
  })

type Answer = { value: unknown; text: string; ok: boolean }

const reportAnswer = (value: RunReport): Answer => ({
  value,
  text: renderReport(value),
  ok: value.held === null && value.destinations.every((one) => one.state === 'verified'),
})
const statusAnswer = (value: ExportStatus): Answer => ({
  value,
  text: renderStatus(value),
  ok: value.destinations.every((one) => one.state === 'up to date' || one.state === 'behind'),
})

const askServer = async (server: AdminClient, action: Action, io: Io, range?: ReplayRange): Promise<Answer> => {
  if (action === 'status') return statusAnswer(await server.get<ExportStatus>('/export/status'))
  if (action === 'adopt') {
    const adopted = await server.post<Awaited<ReturnType<ExportService['adopt']>>>('/export/adopt')
    return { value: adopted, text: renderAdopted(adopted), ok: true }
  }
  const show = progressPrinter(io)
  const ended = new AbortController()
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(range ?? {})) if (value !== undefined) query.set(name, value)
  const route = range ? `/export/replay?${query}` : '/export/run?wait=true'
  const run = server.post<RunReport>(route).finally(() => ended.abort())
  const watch = async () => {
    while (!ended.signal.aborted) {
      const status = await server.get<{ running: RunProgress | null }>('/export/status').catch(() => undefined)
      if (status?.running) show.update(status.running)
      await clock.sleep(lookMs, ended.signal)
    }
  }
  const [report] = await Promise.all([run, watch()])
  show.finish()
  return reportAnswer(report)
}

const doHere = async (config: Config, action: Action, io: Io, range?: ReplayRange): Promise<Answer> => {
  const log = createLog(config.LOG_LEVEL === 'info' ? 'warn' : config.LOG_LEVEL)
  const buffer = await openBuffer(config, { clock, log, applicationName: 'evothesis export' })
  await buffer.ready
  const service = createExportService({ db: buffer.db, config, clock, log, adminToken: '' })
  try {
    if (action === 'status') return statusAnswer(await selectStatus(buffer.db, service.destinations, clock.now()))
    if (action === 'adopt') {
      const adopted = await service.adopt()
      return { value: adopted, text: renderAdopted(adopted), ok: true }
    }
    if (range) await openReplay(buffer.db, range)
    const show = progressPrinter(io)
    const report = await service.exporter.run({ probe: true, onProgress: show.update })
    show.finish()
    return reportAnswer(report)
  } finally {
    await service.close()
    await buffer.close()
  }
}

const progressPrinter = (io: Io) => {
  let bar: ReturnType<typeof createProgress> | undefined
  return {
    update(progress: RunProgress) {
      if (progress.rowsTotal === 0) return
      bar ??= createProgress({ stream: io.stderr, label: 'Export', total: progress.rowsTotal, unit: 'events' })
      bar.update(Math.min(progress.rows, progress.rowsTotal))
    },
    finish: () => bar?.finish(),
  }
}
