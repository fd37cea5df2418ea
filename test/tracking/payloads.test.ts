import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { standardEventTypes } from '../../src/types.ts'
import { pixelBatch, pixelEvent } from '../../tracking/payload.ts'
import { createServer, post, rawOf } from '../collect/server.ts'
import { createTestDatabase } from '../support/database.ts'

const folder = path.join(import.meta.dirname, '../fixtures/payloads')
const names = readdirSync(folder)

t.test('the collector stores every payload that was recorded from a browser, whole', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const server = await createServer(db)
  t.teardown(() => server.close())
  for (const name of names) {
    const sent = readFileSync(path.join(folder, name), 'utf8')
    const answer = await post(server, sent, { 'content-type': 'text/plain;charset=UTF-8' })
    t.same(
      [answer.status, answer.body],
      [200, { status: 'success', events_processed: 1, duplicate: false, rejected: [] }],
      name,
    )
    const { events } = JSON.parse(sent) as { events: { eventType: string; eventData?: object }[] }
    const [event] = events
    const [stored] = (await rawOf(db, event?.eventType ?? '')) as { eventData?: object }[]
    t.same(stored?.eventData, event?.eventData, `${name}: nothing is changed`)
    const again = await post(server, sent)
    t.same(again.body.duplicate, true, `${name}: sent again, it is known`)
  }
})

t.test('every recorded payload is what the schema says, and nothing more', (t) => {
  for (const name of names) {
    const sent = JSON.parse(readFileSync(path.join(folder, name), 'utf8'))
    t.same(pixelBatch.parse(sent), sent, name)
    t.equal(pixelBatch.safeParse({ ...sent, more: 1 }).success, false)
    const [event] = sent.events
    t.equal(pixelBatch.safeParse({ ...sent, events: [{ ...event, more: 1 }] }).success, false)
    const { seq: _seq, ...unnumbered } = event
    t.equal(pixelBatch.safeParse({ ...sent, events: [unnumbered] }).success, false)
  }
  t.end()
})

t.test('the schema knows the standard event types', (t) => {
  const known = pixelEvent.options.map((option) => option.shape.eventType.value)
  t.same(
    known.filter((type) => !(standardEventTypes as readonly string[]).includes(type)),
    [],
  )
  t.same([...known].sort(), names.map((name) => name.replace('.json', '')).sort())
  t.end()
})

t.test('every standard event type that a browser can send is recorded', (t) => {
  const fromElsewhere = ['scroll']
  const recorded = names.map((name) => name.replace('.json', ''))
  t.same(
    standardEventTypes.filter((type) => !recorded.includes(type) && !fromElsewhere.includes(type)),
    [],
  )
  t.end()
})
