import type { Clock } from '../clock.ts'
import type { Db } from '../db.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { insertOutbox } from '../outbox.ts'
import type { Secret } from '../secret.ts'
import { selectTarget, type Target } from './endpoints.ts'
import type { Attempt, Sender } from './send-webhook.ts'
import {
  type Claimed,
  claimDeliveries,
  deleteOldEvents,
  disableEndpoint,
  insertAttempt,
  markEndpointFailing,
  markEndpointWell,
  routeEvents,
  selectDueEndpoints,
  settleDelivery,
} from './webhook-deliveries.ts'

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/**
 * Delays before the second attempt and those after it: 75 hours and 35 minutes in all. The table of Standard Webhooks
 * 1.0.0, "retries"; a little is added to each by chance, so that receivers which failed together are not hit together.
 */
export const retryDelaysMs: readonly number[] = [
  ...[5 * secondMs, 5 * minuteMs, 30 * minuteMs, 2 * hourMs, 5 * hourMs, 10 * hourMs, 14 * hourMs, 20 * hourMs],
  24 * hourMs,
]
const jitterShare = 0.2
/** The most that a Retry-After can ask for. */
const retryAfterMsMax = dayMs
/** Answers that mean "too much now": everything for this endpoint waits, not only this event. */
const busyStatuses = [429, 502, 503, 504]
const pauseMsMin = 5 * secondMs
/** An endpoint that took nothing for this long is disabled, with an alert. */
export const failingMsMax = 5 * dayMs
/** Longer than an attempt can last (`answerMsMax`). */
const leaseMs = minuteMs
const inFlightMax = 4
const routedRowsMax = 500
const lookMs = secondMs
/** Events are kept this long for replays, and so are the attempts to deliver them. */
const keptMs = 90 * dayMs
const deletedRowsMax = 1000
const looksPerDelete = 60

export type WebhookWorkerDeps = {
  db: Db
  clock: Clock
  log: Log
  send: Sender
  clientId: string
  nodeId: string
  /** The secrets of an endpoint that the settings name. */
  settingsSecrets: (name: string) => Secret[]
  random?: () => number
  /** For tests with the system's clock. */
  retryDelaysMs?: readonly number[]
  leaseMs?: number
  lookMs?: number
}

export type WebhookWorker = {
  /** Sends everything that is due now. Resolves when it is done; workers in other processes share the work. */
  drain(): Promise<void>
  start(): void
  /** Waits for attempts under way. */
  close(): Promise<void>
}

/**
 * Delivers the outbox: at least once, in no promised order, each endpoint at its own pace. An attempt and its outcome are
 * recorded after the answer: a worker that is killed in between sends again, under the same id.
 */
export const createWebhookWorker = (deps: WebhookWorkerDeps): WebhookWorker => {
  const { db, clock, log } = deps
  const random = deps.random ?? Math.random
  const delaysMs = deps.retryDelaysMs ?? retryDelaysMs
  const ended = new AbortController()
  const draining = new Map<number, Promise<void>>()
  let loop: Promise<void> = Promise.resolve()

  const drainEndpoint = async (endpointId: number): Promise<void> => {
    while (!ended.signal.aborted) {
      const target = await selectTarget(db, endpointId, clock.now(), deps.settingsSecrets)
      if (!target) return
      const claim = { nowMs: clock.now(), leaseMs: deps.leaseMs ?? leaseMs, rowsMax: inFlightMax }
      const claimed = await claimDeliveries(db, endpointId, claim)
      if (claimed.length === 0) return
      await Promise.all(claimed.map((delivery) => deliver(endpointId, target, delivery)))
    }
  }

  const deliver = async (endpointId: number, target: Target, delivery: Claimed): Promise<void> => {
    const atMs = clock.now()
    const attempt = await deps.send(target, { id: delivery.eventId, body: delivery.body })
    await db.transaction(async (tx) => {
      const key = { eventId: delivery.eventId, endpointId, nowMs: clock.now() }
      const { status, error, durationMs } = attempt
      await insertAttempt(tx, { eventId: delivery.eventId, endpointId, atMs, status, error, durationMs })
      if (error === null) {
        await settleDelivery(tx, key, { state: 'delivered' })
        await markEndpointWell(tx, endpointId)
        return
      }
      const delayMs = delaysMs[delivery.attempts]
      if (delayMs === undefined) await settleDelivery(tx, key, { state: 'exhausted' })
      else
        await settleDelivery(tx, key, { state: 'pending', nextAttemptMs: key.nowMs + waitMs(delayMs, attempt, random) })
      const sinceMs = await markEndpointFailing(tx, endpointId, key.nowMs, pausedUntilMs(attempt, key.nowMs))
      const reason = reasonToDisable(status, sinceMs, key.nowMs)
      if (reason === null || !(await disableEndpoint(tx, endpointId, reason, key.nowMs))) return
      log.error({ endpoint: target.name, reason }, `webhook endpoint ${target.name} was disabled`)
      await insertOutbox(tx, {
        ...{ clientId: deps.clientId, nodeId: deps.nodeId, type: 'alert.raised', occurredMs: key.nowMs },
        key: `webhook_disabled/${deps.nodeId}/${target.name}/${key.nowMs}`,
        data: { alert: 'webhook_disabled', endpoint: target.name, reason, last_error: error },
      })
    })
    if (attempt.error !== null)
      log.warn({ endpoint: target.name, event: delivery.eventId, attempt: delivery.attempts + 1 }, attempt.error)
  }

  const drainAll = async (): Promise<void> => {
    while ((await routeEvents(db, clock.now(), routedRowsMax)) > 0) if (ended.signal.aborted) return
    for (const endpointId of await selectDueEndpoints(db, clock.now())) {
      // A slow endpoint is still at it from an earlier look; the others do not wait for it.
      if (draining.has(endpointId)) continue
      const work = drainEndpoint(endpointId)
        .catch((error: unknown) => log.error({ err: error }, `webhooks could not be sent: ${messageOf(error)}`))
        .finally(() => draining.delete(endpointId))
      draining.set(endpointId, work)
    }
  }

  return {
    async drain() {
      await drainAll()
      await Promise.all(draining.values())
    },
    start() {
      loop = (async () => {
        let looks = 0
        while (!ended.signal.aborted) {
          try {
            await drainAll()
            if (looks++ % looksPerDelete === 0) await deleteOldEvents(db, clock.now() - keptMs, deletedRowsMax)
          } catch (error) {
            log.warn({ err: error }, `the outbox cannot be read: ${messageOf(error)}`)
          }
          await clock.sleep(deps.lookMs ?? lookMs, ended.signal)
        }
      })()
    },
    async close() {
      ended.abort()
      await loop
      await Promise.all(draining.values())
    },
  }
}

/** Never sooner than the receiver asked for. */
const waitMs = (delayMs: number, attempt: Attempt, random: () => number): number =>
  Math.max(Math.round(delayMs * (1 + jitterShare * random())), Math.min(attempt.retryAfterMs ?? 0, retryAfterMsMax))

const pausedUntilMs = (attempt: Attempt, nowMs: number): number | null =>
  attempt.status !== null && busyStatuses.includes(attempt.status)
    ? nowMs + Math.min(Math.max(attempt.retryAfterMs ?? 0, pauseMsMin), retryAfterMsMax)
    : null

const reasonToDisable = (status: number | null, failingSinceMs: number, nowMs: number): string | null => {
  if (status === 410) return 'it answered 410 Gone'
  return nowMs - failingSinceMs >= failingMsMax ? 'every attempt of five days failed' : null
}
