import { readFileSync } from 'node:fs'
import t from 'tap'
import { envelopeSchema, eventSchema } from '../../src/collect/payload-schema.ts'
import { standardEventTypes } from '../../src/types.ts'
import { createTestDatabase } from '../support/database.ts'
import { adminToken, createServer, post } from './server.ts'

const database = await createTestDatabase()
const { db } = database
const lines: string[] = []
const note = (fields: object, message: string) => void lines.push(JSON.stringify({ ...fields, message }))
const log = { debug: note, info: note, warn: note, error: note }
const server = await createServer(db, { log })
t.teardown(async () => {
  await server.close()
  await database.close()
})

t.test('metrics count what became of events', async (t) => {
  await post(server, { events: [{ eventType: 'a' }, { eventType: 'a' }, {}], batchId: 'm' })
  await post(server, { events: [{ eventType: 'a' }, { eventType: 'a' }, {}], batchId: 'm' })
  const { statusCode, body, headers } = await server.app.inject({ url: '/metrics' })
  t.equal(statusCode, 200)
  t.match(headers['content-type'], /^text\/plain; version=/)
  for (const line of [
    'evothesis_collect_events_total{result="stored"} 2',
    'evothesis_collect_events_total{result="duplicate"} 2',
    'evothesis_collect_events_total{result="rejected"} 1',
    'evothesis_collect_rejected_total{code="event_type_missing"} 1',
    'evothesis_collect_group_events_count 2',
    'evothesis_collect_queue_bytes 0',
    'evothesis_collect_spool_bytes 0',
    'evothesis_collect_database_away 0',
  ])
    t.ok(body.split('\n').includes(line), line)
  t.match(body, /nodejs_eventloop_lag_p99_seconds/)
})

t.test('metrics are for this machine or the admin token, not for who comes through a proxy', async (t) => {
  const get = async (headers: Record<string, string>, remoteAddress = '127.0.0.1') =>
    (await server.app.inject({ url: '/metrics', headers, remoteAddress })).statusCode
  t.equal(await get({}), 200)
  t.equal(await get({}, '203.0.113.1'), 401)
  t.equal(await get({ 'x-forwarded-for': '203.0.113.1' }), 401)
  t.equal(await get({ authorization: `Bearer ${adminToken}` }, '203.0.113.1'), 200)
})

t.test('each commit is one log line with its counts, and no log line holds what was sent', async (t) => {
  lines.length = 0
  const canary = 'canary-in-the-log'
  await post(server, { eventType: 'logged', url: `https://a.example/?q=${canary}`, data: canary })
  await post(server, `{"eventType":"${canary}`)
  await post(server, { sessionId: {}, data: canary })
  await db.execute(`alter table events_log add constraint no_poison check (event_type <> 'poison')`)
  await post(server, { eventType: 'poison', url: `https://a.example/?q=${canary}`, data: canary })
  t.match(JSON.parse(lines[0] ?? ''), {
    message: 'bulk inserted 1 events',
    events: 1,
    requests: 1,
    batch: Number,
    spooled: false,
  })
  t.ok(lines.length >= 4)
  t.notMatch(lines.join('\n'), canary)
})

t.test('the schema of the payload is served, and the page about it names every field and type', async (t) => {
  const answer = await server.app.inject({ url: '/schema/collect.json' })
  t.equal(answer.statusCode, 200)
  t.match(answer.json(), { $schema: /2020-12/, title: String })
  const page = readFileSync(new URL('../../docs/payload.md', import.meta.url), 'utf8')
  const names = [...Object.keys(eventSchema.shape), ...Object.keys(envelopeSchema.shape), ...standardEventTypes]
  t.same(
    names.filter((name) => !page.includes(`\`${name}\``) && !page.includes(`"${name}"`)),
    [],
  )
})
