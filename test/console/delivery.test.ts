import t from 'tap'
import { systemClock } from '../../src/clock.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestExporter } from '../support/exporter.ts'
import { createTestConsole } from './console.ts'

type Hour = {
  hour: string
  received: number
  delivered: number
  verified: number
  stuck: number
  state: string
  by_destination: Record<string, number>
}
type Part = {
  part: string
  events: number
  destinations: { destination: string; state: string; advice: string | null; error: string | null }[]
}

const clock = { ...systemClock, now: () => Date.parse('2026-11-20T12:10:00Z') }
const eventsAt = (hour: string, count: number) =>
  Array.from({ length: count }, () => ({ created_at: `2026-11-20T${hour}:20:00.000000Z` }))

t.test('a gap in the calendar of hours', async (t) => {
  const { db, dataDir, token, login, get } = await createTestConsole(t, { clock })
  const cookie = await login((await token('viewer', { expiresMs: clock.now() + 3_600_000 })).token)
  const hours = async () =>
    (await get<{ hours: Hour[] }>('/api/hours?from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z', cookie)).hours
  const states = async () =>
    (await hours()).map(({ hour, received, state }) => `${hour.slice(11, 13)} ${received} ${state}`)
  t.same(await hours(), [])
  await insertBatch(db, [...eventsAt('05', 3), ...eventsAt('06', 4)])
  const both = createTestExporter(db, { DATA_DIR: dataDir })
  await both.exporter.run()
  await both.close()
  await insertBatch(db, [...eventsAt('06', 1), ...eventsAt('07', 5), ...eventsAt('11', 2)])
  t.same(await states(), ['05 3 verified', '06 5 late', '07 5 late', '11 2 waiting'])
  t.match((await hours())[1], { received: 5, delivered: 4, verified: 4, by_destination: { client: 4, backup: 4 } })

  // A bucket that has no keys yet: the backup goes on without it.
  const parked = createTestExporter(db, { DATA_DIR: dataDir, CLIENT_S3_BUCKET: 'the-clients-own' })
  await parked.exporter.run({ probe: true })
  await parked.close()
  t.same(await states(), ['05 3 verified', '06 5 stuck', '07 5 stuck', '11 2 stuck'])
  t.match((await hours())[2], { delivered: 5, verified: 0, stuck: 5, by_destination: { backup: 5 } })

  const { rows } = await get<{ rows: Part[] }>('/api/parts', cookie)
  t.match(rows, [
    {
      events: 8,
      destinations: [
        { destination: 'client', state: 'parked', advice: /refuses access/, error: /CLIENT_S3|keys/ },
        { destination: 'backup', state: 'verified', advice: null },
      ],
    },
    { events: 7, destinations: [{ state: 'verified' }, { state: 'verified' }] },
  ])
  t.equal((await get<{ rows: Part[] }>('/api/parts?open=true', cookie)).rows.length, 1)
  const first = await get<{ rows: Part[]; next: string }>('/api/parts?limit=1', cookie)
  const second = await get<{ rows: Part[]; next: string | null }>(`/api/parts?limit=1&after=${first.next}`, cookie)
  t.same([...first.rows, ...second.rows], rows)
})

t.test('figures are those of the database', async (t) => {
  const { db, token, login, get } = await createTestConsole(t, { clock })
  const cookie = await login((await token('viewer', { expiresMs: clock.now() + 3_600_000 })).token)
  await insertBatch(db, [
    ...eventsAt('05', 3),
    { site_id: 'b.example', event_type: 'click', created_at: '2026-11-20T05:00:00Z' },
  ])
  for (const code of ['event_too_large', 'event_too_large', 'event_type_missing'])
    await db.execute(
      `insert into rejects (created_at, site_id, code, message, payload) values ('2026-11-20T05:00:00Z', 'b.example', $1::text, 'x', 'x')`,
      [code],
    )
  const traffic = await get<Record<string, unknown>>(
    '/api/traffic?from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z',
    cookie,
  )
  t.match(traffic, {
    ...{ bucket: 'hour', totals: { events: 4, pageviews: 3 } },
    sites: [
      { site: 'shop.example.com', events: 3 },
      { site: 'b.example', events: 1, pageviews: 0 },
    ],
    rejects: [
      { code: 'event_too_large', rejects: 2 },
      { code: 'event_type_missing', rejects: 1 },
    ],
  })
  t.match(await get('/api/sites', cookie), {
    sites: [{ site: 'shop.example.com', events: 3, visits: false }, { site: 'b.example' }],
  })
  t.match(await get('/api/traffic?from=2026-11-01T00:00:00Z&to=2026-11-21T00:00:00Z&site=b.example', cookie), {
    ...{ bucket: 'day', totals: { events: 1 }, buckets: [{ at: '2026-11-20T00:00:00Z', events: 1 }] },
  })
})
