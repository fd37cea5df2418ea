import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { insertAudit } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type App, actorOf, requireAdmin } from '../http.ts'
import type { Destination } from '../storage/destination.ts'
import { destinationNames, exportFormats } from '../types.ts'
import type { Adopted } from './adopt.ts'
import type { Exporter } from './exporter.ts'
import { openReplay } from './replay.ts'
import { selectHolder } from './retention.ts'
import { selectStatus } from './status.ts'
import { createVerification } from './verification.ts'
import { warehouseStatements } from './warehouse-command.ts'

type Deps = {
  db: Db
  clock: Clock
  config: Config
  adminToken: string
  exporter: Exporter
  adopt: () => Promise<Adopted>
  destinations: readonly Destination[]
  nextRun: () => Date | undefined
}

const runQuery = z.strictObject({ wait: z.stringbool().default(false) })

/** A moment, or a day in UTC. */
const instant = z.union([z.iso.datetime({ offset: true }), z.iso.date()])
export const replayQuery = z.strictObject({
  from: instant,
  to: instant,
  destination: z.enum(destinationNames).optional(),
  format: z.enum(exportFormats).optional(),
})

/** `POST /export/run`, `POST /export/replay?from=&to=`, `POST /export/verify`, `POST /export/adopt`, `GET /export/status`, `GET /export/config`; all for the admin token. */
export const exportRoutes = (app: App, deps: Deps): void => {
  const { db, clock, config, exporter, destinations } = deps
  const onRequest = requireAdmin(deps.adminToken)
  const verification = createVerification(destinations)
  const note = (request: FastifyRequest, action: string, detail: object = {}) =>
    insertAudit(db, { by: actorOf(request), nowMs: clock.now() }, action, '', detail)

  app.post('/export/run', { onRequest }, async (request, reply) => {
    const query = runQuery.safeParse(request.query)
    if (!query.success) throw new AppError('request_invalid', z.prettifyError(query.error))
    await note(request, 'export.run')
    const run = exporter.run({ probe: true })
    if (query.data.wait) return { status: 'done', ...(await run) }
    run.catch(() => undefined)
    return reply.status(202).send({ status: 'started' })
  })

  app.post('/export/replay', { onRequest }, async (request) => {
    const range = replayQuery.safeParse(request.query)
    if (!range.success) throw new AppError('request_invalid', z.prettifyError(range.error))
    await note(request, 'export.replay', range.data)
    const opened = await openReplay(db, range.data)
    return { status: 'done', opened, ...(await exporter.run({ probe: true })) }
  })

  // From the manifests and what each destination keeps of its files; the command reads every byte as well.
  app.post('/export/verify', { onRequest }, async (request) => {
    await note(request, 'export.verify')
    return { destinations: await verification.run() }
  })

  app.post('/export/adopt', { onRequest }, async (request) => {
    await note(request, 'export.adopt')
    return deps.adopt()
  })

  app.get('/export/status', { onRequest }, async () => ({
    ...(await selectStatus(db, destinations, clock.now())),
    running: exporter.progress() ?? null,
    verifying: verification.progress() ?? null,
    next_run_at: deps.nextRun()?.toISOString() ?? null,
    retention: { buffer_hours: config.BUFFER_RETENTION_HOURS, ...(await selectHolder(db)) },
  }))

  app.get('/export/config', { onRequest }, async () => ({
    client_id: config.CLIENT_ID,
    node_id: config.NODE_ID,
    schedule: config.EXPORT_SCHEDULE,
    formats: config.EXPORT_FORMAT,
    parquet_compression: config.PARQUET_COMPRESSION,
    text_compression: config.TEXT_COMPRESSION,
    part_rows_max: config.PART_ROWS_MAX,
    part_bytes_max: config.PART_BYTES_MAX,
    destinations: Object.fromEntries(destinations.map((one) => [one.name, one.describe()])),
    warehouse: warehouseStatements(config),
  }))
}
