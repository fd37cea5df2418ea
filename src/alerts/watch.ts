import { Gauge, register } from 'prom-client'
import type { Tx } from '../db.ts'
import { messageOf } from '../errors.ts'
import { type App, requireAdmin } from '../http.ts'
import type { Log } from '../log.ts'
import { insertOutbox } from '../outbox.ts'
import { rules as allRules, type Finding, type Rule, type RuleDeps } from './rules.ts'

export type AlertsDeps = RuleDeps & { log: Log; adminToken: string; rules?: readonly Rule[] }

export type Alerts = {
  /** `GET /alerts`: what is open, and what was in the last week. */
  routes(app: App): void
  /** Checks every rule that is due, once. */
  look(): Promise<void>
  start(): void
  close(): Promise<void>
}

const lookMs = 20_000
const hourMs = 3_600_000
/** It is told when it is raised, and once more after each of these. */
const toldAgainAfterMs = [24 * hourMs, 72 * hourMs]
const shownDays = 7

/**
 * Watches the rules. An alert is raised once, told again after 24 and 72 hours, and cleared when it is mended; each of these
 * is an event for the outside (`alert.raised`, `alert.cleared`), a line in the log and a metric. The table is the state:
 * a restart tells nothing twice.
 */
export const createAlerts = (deps: AlertsDeps): Alerts => {
  const { db, clock, log, config, rules = allRules } = deps
  const ended = new AbortController()
  const dueMs = new Map<string, number>()
  let running: Promise<void> = Promise.resolve()
  const open = openGauge()

  const tell = async (
    tx: Tx,
    type: 'alert.raised' | 'alert.cleared',
    rule: Rule,
    alert: { subject: string; text: string; raisedMs: number; told: number },
  ): Promise<void> => {
    const { subject, text, raisedMs, told } = alert
    const fields = { alert: rule.alert, subject, severity: rule.severity }
    if (type === 'alert.raised') log[rule.severity === 'critical' ? 'error' : 'warn'](fields, text)
    else log.info(fields, `mended: ${text}`)
    if (rule.isToldElsewhere) return
    await insertOutbox(tx, {
      ...{ clientId: config.CLIENT_ID, nodeId: config.NODE_ID, type, occurredMs: clock.now() },
      key: [config.NODE_ID, rule.alert, subject, raisedMs, type === 'alert.cleared' ? 'cleared' : told].join('/'),
      data: {
        ...{ alert: rule.alert, subject, severity: rule.severity, node: config.NODE_ID, told },
        raised_at: new Date(raisedMs).toISOString(),
        text: `${type === 'alert.cleared' ? 'Mended' : rule.severity} (${config.CLIENT_ID}/${config.NODE_ID}): ${text}`,
        runbook: `docs/operations.md#${rule.alert}`,
      },
    })
  }

  const settle = async (rule: Rule, findings: readonly Finding[]): Promise<void> => {
    const nowMs = clock.now()
    const before = await db.query<Open>(
      `select alert_id as "alertId", subject, text, (extract(epoch from raised_at) * 1000)::bigint as "raisedMs", told
       from alerts where alert = $1::text and cleared_at is null`,
      [rule.alert],
    )
    const known = new Map(before.map((one) => [one.subject, one]))
    for (const { subject, text } of findings) {
      const alert = known.get(subject)
      known.delete(subject)
      const told = (alert?.told ?? 0) + 1
      const afterMs = toldAgainAfterMs[told - 2]
      const isDue = !alert || (afterMs !== undefined && nowMs - alert.raisedMs >= afterMs)
      await db.transaction(async (tx) => {
        if (alert) await update(tx, alert.alertId, text, isDue ? told : alert.told)
        else await insert(tx, rule, { subject, text }, nowMs)
        if (isDue) await tell(tx, 'alert.raised', rule, { subject, text, raisedMs: alert?.raisedMs ?? nowMs, told })
      })
    }
    for (const alert of known.values())
      await db.transaction(async (tx) => {
        await tx.execute('update alerts set cleared_at = to_timestamp($2::float8 / 1000) where alert_id = $1::bigint', [
          alert.alertId,
          nowMs,
        ])
        await tell(tx, 'alert.cleared', rule, alert)
      })
    open.set({ alert: rule.alert, severity: rule.severity }, findings.length)
  }
  const insert = (tx: Tx, rule: Rule, { subject, text }: Finding, nowMs: number): Promise<number> =>
    tx.execute(
      `insert into alerts (alert, subject, severity, text, raised_at)
       values ($1::text, $2::text, $3::text, $4::text, to_timestamp($5::float8 / 1000))`,
      [rule.alert, subject, rule.severity, text, nowMs],
    )
  const update = (tx: Tx, alertId: number, text: string, told: number): Promise<number> =>
    tx.execute('update alerts set text = $2::text, told = $3::int where alert_id = $1::bigint', [alertId, text, told])

  const look = async (): Promise<void> => {
    for (const rule of rules) {
      if ((dueMs.get(rule.alert) ?? 0) > clock.now()) continue
      dueMs.set(rule.alert, clock.now() + rule.everyMs)
      try {
        await settle(rule, await rule.check(deps))
      } catch (error) {
        log.info({ alert: rule.alert, err: error }, `a rule could not be checked: ${messageOf(error)}`)
      }
    }
  }

  return {
    routes(app) {
      app.get('/alerts', { onRequest: requireAdmin(deps.adminToken) }, async () => ({
        alerts: await selectShown(deps),
      }))
    },
    look,
    start() {
      running = (async () => {
        while (!ended.signal.aborted) {
          await look()
          await clock.sleep(lookMs, ended.signal)
        }
      })()
    },
    async close() {
      ended.abort()
      await running
    },
  }
}

type Open = { alertId: number; subject: string; text: string; raisedMs: number; told: number }

const selectShown = ({ db, clock }: RuleDeps) =>
  db.query(
    `select alert, subject, severity, text, told, to_char(raised_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as raised_at,
            to_char(cleared_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as cleared_at,
            'docs/operations.md#' || alert as runbook
     from alerts
     where cleared_at is null or cleared_at > to_timestamp($1::float8 / 1000) - make_interval(days => $2::int)
     order by cleared_at is null desc, severity, alerts.raised_at desc limit 500`,
    [clock.now(), shownDays],
  )

/** One for the process, whoever asks first. */
const openGauge = (): Gauge<'alert' | 'severity'> => {
  const name = 'evothesis_alerts_open'
  const there = register.getSingleMetric(name)
  if (there) return there as Gauge<'alert' | 'severity'>
  return new Gauge({ name, help: 'Alerts that are open, by rule.', labelNames: ['alert', 'severity'] })
}
