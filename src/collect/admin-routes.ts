import type { Db } from '../db.ts'
import { AppError } from '../errors.ts'
import { type App, requireAdmin } from '../http.ts'
import type { Secret } from '../secret.ts'
import { countEvents, type StoredEvent, selectRecentEvents } from './statements.ts'

const recentDefault = 10
const recentMax = 1000

/** What an operator asks a collector: how many events the buffer holds, and the latest of them. */
export const adminRoutes =
  ({ db, adminToken }: { db: Db; adminToken: Secret }) =>
  (app: App): void => {
    const onRequest = requireAdmin(adminToken.reveal())
    app.get('/events/count', { onRequest }, async () => ({ total_events: await countEvents(db) }))
    app.get<{ Querystring: { limit?: string } }>(
      '/events/recent',
      { onRequest, config: { role: 'operator' } },
      async (request, reply) => {
        const limit = request.query.limit ?? String(recentDefault)
        if (!/^\d{1,6}$/.test(limit) || Number(limit) < 1 || Number(limit) > recentMax)
          throw new AppError('request_invalid', `limit must be a whole number from 1 to ${recentMax}.`)
        const events = await selectRecentEvents(db, Number(limit))
        return reply.type('application/json; charset=utf-8').send(`{"events":[${events.map(eventText).join(',')}]}`)
      },
    )
  }

/** The raw event is put in as it is stored: parsing it would lose digits of its numbers. */
const eventText = ({ raw_event_data: raw, ...columns }: StoredEvent): string =>
  `${JSON.stringify(columns).slice(0, -1)},"raw_event_data":${raw}}`
