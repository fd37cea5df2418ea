import { randomUUID } from 'node:crypto'
import { loadFunnels, parseFunnels } from '../../src/agents/funnel-file.ts'
import { createEngine, type Engine, type EngineDeps } from '../../src/agents/run.ts'
import { loadSegments } from '../../src/agents/segment-file.ts'
import { createCustomerKey } from '../../src/agents/segments.ts'
import { systemClock } from '../../src/clock.ts'
import type { Db } from '../../src/db.ts'
import { insertTraffic } from '../../src/demo/insert.ts'
import type { TrafficRequest } from '../../src/demo/requests.ts'
import { createKeyedHash } from '../../src/keyed-hash.ts'
import { silentLog } from '../../src/log.ts'
import { secret } from '../../src/secret.ts'

export const testCustomerKey = createCustomerKey(createKeyedHash(secret('test')))

/** An engine on a database, with the shipped funnels and segments. */
export const engineOn = (db: Db, rest: Partial<EngineDeps> & { funnelsText?: string } = {}): Engine => {
  const { funnelsText, ...deps } = rest
  return createEngine({
    ...{ db, clock: systemClock, log: silentLog, timeZone: 'UTC', sessionTimeoutMs: 30 * 60_000, keepDays: 180 },
    ...{ clientId: 'test', nodeId: 'n1', customersMax: 100, pauseMs: 0, customerKey: testCustomerKey },
    funnels: () => (funnelsText === undefined ? loadFunnels('/nowhere') : parseFunnels(funnelsText, 'funnels.yaml')),
    segments: () => loadSegments('/nowhere'),
    ...deps,
  })
}

export type SentEvent = {
  type: string
  at: string | number
  site?: string
  visitor?: string | null
  session?: string | null
  user?: string
  path?: string
  data?: object
  userAgent?: string
  /** Arrival; default: when it happened. */
  created?: string | number
  raw?: object
}

/** Stores one batch, as the collector would have: in one transaction with its ledger row. */
export const storeBatch = (db: Db, events: readonly SentEvent[]): Promise<void> =>
  db.transaction(async (tx) => {
    const ms = (at: string | number): number => (typeof at === 'number' ? at : Date.parse(at))
    const created = events.map((event) => ms(event.created ?? event.at))
    const stored = new Date(Math.max(...created)).toISOString()
    const [batch] = await tx.query<{ batch_id: number }>(
      `insert into batches (commit_key, stored_at, events, bytes, created_min, created_max)
       values ($1::uuid, $2::timestamptz, $3::int, 0, $4::timestamptz, $2::timestamptz) returning batch_id`,
      [randomUUID(), stored, events.length, new Date(Math.min(...created)).toISOString()],
    )
    for (const [n, event] of events.entries()) {
      const site = event.site ?? 'shop.example'
      const path = event.path ?? '/'
      const raw = {
        ...{ eventType: event.type, timestamp: new Date(ms(event.at)).toISOString(), url: `https://${site}${path}` },
        ...{ eventData: event.data ?? {}, ...event.raw },
      }
      await tx.execute(
        `insert into events_log (batch_id, n, stored_at, event_id, event_type, session_id, visitor_id, user_id, site_id,
                                 "timestamp", url, path, user_agent, ip_address, raw_event_data, created_at)
         values ($1::bigint, $2::int, $3::timestamptz, $4::uuid, $5::text, $6::text, $7::text, $8::text, $9::text,
                 $10::timestamptz, $11::text, $12::text, $13::text, null, $14::json, $15::timestamptz)`,
        [
          ...[batch?.batch_id, n, stored, randomUUID(), event.type, event.session ?? null],
          ...[event.visitor === undefined ? 'v1' : event.visitor, event.user ?? null, site],
          ...[new Date(ms(event.at)).toISOString(), `https://${site}${path}`, path, event.userAgent ?? null],
          ...[JSON.stringify(raw), new Date(created[n] ?? 0).toISOString()],
        ],
      )
    }
  })

/** Stores generated traffic, and one event of another site after it, so that its last day is over. */
export const storeTraffic = async (db: Db, requests: Iterable<TrafficRequest>, untilMs: number): Promise<void> => {
  await insertTraffic({ db, requests })
  await storeBatch(db, [{ type: 'pageview', at: untilMs + 60_000, site: 'tick.example', visitor: 'tick' }])
}
