import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import type { Db } from '../db.ts'
import { selectErasures } from '../erasures.ts'
import { isAppError, messageOf } from '../errors.ts'
import type { App } from '../http.ts'
import type { Log } from '../log.ts'
import type { Destination } from '../storage/destination.ts'
import { hourMs } from './days.ts'
import { openEngine } from './open-engine.ts'
import { agentsRoutes } from './routes.ts'
import type { RunReport } from './run.ts'
import { openVault } from './vault/open-vault.ts'

export type AgentsDeps = {
  db: Db
  config: Config
  clock: Clock
  log: Log
  adminToken: string
  /** Where notes are delivered to: the client's is among them. */
  destinations: readonly Destination[]
  /** Whether the client is to have anything of a site. Default: of all. */
  isForClient?: ((siteId: string) => boolean) | undefined
}

export type AgentsService = {
  routes(app: App): void
  /** What is due now: nothing, or a run. */
  runDue(): Promise<RunReport | null>
  /** Call it when the schema is up to date. */
  start(): void
  close(): Promise<void>
}

/** Between two looks at whether something is due. */
const lookMs = 60_000
/** A nightly run begins this long after midnight, when the last events of the day have come. */
const nightMs = 30 * 60_000
/**
 * A server may collect in the same process: it reads in steps that take some ten milliseconds, and pauses between them.
 * A backlog of a million events is still read in a few minutes.
 */
const pauseMs = 100
const stepEvents = 2_000

/**
 * Runs the engine hourly, and after each local midnight with everything that looks at weeks. Always on: AGENTS decides
 * about the narrative alone. Throws `setting_invalid` for funnels or segments that cannot be read, and for AGENTS=on without
 * a key.
 */
export const createAgentsService = (deps: AgentsDeps): AgentsService => {
  const { db, clock, log } = deps
  const vault = openVault({ ...deps, pauseMs })
  const engine = openEngine({ ...deps, pauseMs, stepEvents, forgetNotes: vault.forget })
  const ended = new AbortController()
  let loop: Promise<void> = Promise.resolve()
  let hourlyMs = Number.NEGATIVE_INFINITY
  let night: string | null = null
  /** The first writing of a process looks at every note: an earlier one may have been interrupted. */
  let hasWritten = false

  const runDue = async (): Promise<RunReport | null> => {
    const nowMs = clock.now()
    const isNight = engine.calendar.dayOf(nowMs - nightMs) !== night
    // Who asked to be forgotten does not wait for the hour.
    const isDue =
      isNight || nowMs - hourlyMs >= hourMs || (await selectErasures(db, 'agents').catch(() => [])).length > 0
    if (!isDue) return null
    try {
      const report = await engine.run({ kind: isNight ? 'nightly' : 'hourly', signal: ended.signal })
      hourlyMs = nowMs
      if (isNight) night = engine.calendar.dayOf(nowMs - nightMs)
      if (report.runId !== null) {
        const { runId, kind, events, reports, alertsOpened } = report
        log.info({ run: runId, kind, events, reports, alerts: alertsOpened }, 'the agents have read what is new')
      }
      await writeNotes(report)
      return report
    } catch (error) {
      // A command is at it: that is as good.
      if (isAppError(error) && error.code === 'agents_busy') return null
      log.error({ err: error }, `the agents could not run: ${messageOf(error)}`)
      return null
    }
  }

  /** Notes never undo a run: what they fail with is told, and done at the next one. */
  const writeNotes = async ({ runId, kind, days, alertsOpened, judgedDays }: RunReport): Promise<void> => {
    const isFirst = !hasWritten
    const isNews = runId !== null && (kind === 'nightly' || days.length + alertsOpened + judgedDays > 0)
    const { signal } = ended
    try {
      const report =
        isFirst || isNews
          ? await vault.write(kind === 'nightly' || isFirst ? { kind: 'nightly' } : { kind: 'hourly', days }, {
              signal,
            })
          : await vault.deliver({ signal })
      hasWritten = true
      if (report.written + report.taken + report.delivered > 0) log.info({ ...report }, 'notes were written')
    } catch (error) {
      if (isAppError(error) && error.code === 'agents_busy') return
      log.error({ err: error }, `notes could not be written: ${messageOf(error)}`)
    }
  }

  return {
    routes: (app) => agentsRoutes(app, { db, calendar: engine.calendar, adminToken: deps.adminToken }),
    runDue,
    start() {
      loop = (async () => {
        while (!ended.signal.aborted) {
          await runDue()
          await clock.sleep(lookMs, ended.signal)
        }
      })()
    },
    async close() {
      ended.abort()
      await loop
    },
  }
}
