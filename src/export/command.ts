import { parseArgs } from 'node:util'
import { type AdminClient, findAdminClient } from '../admin-client.ts'
import { openBuffer } from '../buffer.ts'
import { systemClock as clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import { createLog } from '../log.ts'
import { createProgress } from '../progress.ts'
import type { RunProgress, RunReport } from './exporter.ts'
import { renderAdopted, renderReport, renderStatus } from './render.ts'
import { createExportService, type ExportService } from './service.ts'
import { type ExportStatus, selectStatus } from './status.ts'
import { verifyCommand } from './verify-command.ts'

export type Io = { config: () => Config; stdout: NodeJS.WritableStream; stderr: NodeJS.WriteStream }

const help = `Usage: evothesis export <run|status|verify|adopt> [--json]

  run      Makes parts of all new events and delivers what waits, to both destinations.
  status   Shows what is delivered, what waits, and why.
  verify   Checks what was delivered from the files alone; see evothesis export verify --help.
  adopt    Takes over the manifests that this node delivered in an earlier life of its database.

  --json   Prints the answer as JSON.

Where a server runs on this DATA_DIR, it does the work; else this command does.
Exit code: 0 all verified, 1 something failed or waits for somebody, 2 wrong usage.
`
const actions = ['run', 'status', 'adopt'] as const
/** Between two looks at a server's progress. */
const lookMs = 500

/** `evothesis export …`. Resolves to the exit code. */
export const exportCommand = async (args: string[], io: Io): Promise<number> => {
  if (args[0] === 'verify') return verifyCommand(args.slice(1), io, 'settings')
  const { action, json } = readArgs(args)
  if (action === 'help') {
    io.stdout.write(help)
    return 0
  }
  const config = io.config()
  const server = findAdminClient(config)
  const answer = server ? await askServer(server, action, io) : await doHere(config, action, io)
  io.stdout.write(json ? `${JSON.stringify(answer.value, null, 2)}\n` : answer.text)
  return answer.ok ? 0 : 1
}

const readArgs = (args: string[]): { action: (typeof actions)[number] | 'help'; json: boolean } => {
  let parsed: { values: { json?: boolean; help?: boolean }; positionals: string[] }
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
  const [name, ...rest] = parsed.positionals
  if (parsed.values.help) return { action: 'help', json: false }
  const action = actions.find((one) => one === name)
  if (!action || rest.length > 0) throw new AppError('usage_invalid', help)
  return { action, json: parsed.values.json ?? false }
}

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

const askServer = async (server: AdminClient, action: (typeof actions)[number], io: Io): Promise<Answer> => {
  if (action === 'status') return statusAnswer(await server.get<ExportStatus>('/export/status'))
  if (action === 'adopt') {
    const adopted = await server.post<Awaited<ReturnType<ExportService['adopt']>>>('/export/adopt')
    return { value: adopted, text: renderAdopted(adopted), ok: true }
  }
  const show = progressPrinter(io)
  const ended = new AbortController()
  const run = server.post<RunReport>('/export/run?wait=true').finally(() => ended.abort())
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

const doHere = async (config: Config, action: (typeof actions)[number], io: Io): Promise<Answer> => {
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
