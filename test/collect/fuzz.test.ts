import fc from 'fast-check'
import t from 'tap'
import { envelopeSchema, eventSchema } from '../../src/collect/payload-schema.ts'
import { createTestDatabase } from '../support/database.ts'
import { seedOf } from '../support/random.ts'
import { createServer } from './server.ts'

const cases = process.env.STORM === '1' ? 200_000 : 20_000
const together = 200
const timeoutMs = 1_800_000

const keys = [
  ...[
    'eventType',
    'events',
    'eventId',
    'timestamp',
    'sentAt',
    'seq',
    'sessionId',
    'visitorId',
    'userId',
    'siteId',
    'url',
    'path',
  ],
  ...[
    'page',
    'attribution',
    'browser',
    'eventData',
    'batchId',
    'batch',
    'email',
    'password',
    'value',
    'name',
    '__proto__',
    'toJSON',
  ],
  ...['constructor', '_metadata', 'bot', ''],
]
const hostileText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(
    ...[
      '\0',
      '\ud800',
      '\udfff\ud800',
      '\\N',
      '\\.',
      '\t\r\n',
      '"',
      "'",
      '\u2028',
      'https://a.b/?x=%zz&y=%00#%',
      'canary@example.com',
    ],
    ...[
      '4111 1111 1111 1111',
      '{"a":[1,{"b":"c@d.ee"}]}',
      '[['.repeat(40),
      'a=b&password=x',
      '2026-02-30T25:61:61Z',
      '99999-01-01',
      'x'.repeat(600),
    ],
    ...[
      '550e8400-e29b-41d4-a716-446655440000',
      'file:///etc',
      'http://[::1]:80/',
      'https://user:pw@host/',
      'NaN',
      '-Infinity',
      '1e999',
    ],
  ),
)
const leaf = fc.oneof(
  hostileText,
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.constant(null),
  fc.constant(-0),
)
const { value } = fc.letrec<{ value: unknown; object: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.oneof(fc.constantFrom(...keys), fc.string({ maxLength: 8 })), tie('value'), { maxKeys: 6 }),
}))
/** Mostly sound, so that most events get beyond the first check. */
const id = fc.oneof(
  { weight: 30, arbitrary: fc.oneof(fc.string({ maxLength: 20 }), fc.uuid(), fc.integer(), hostileText) },
  { weight: 1, arbitrary: value },
)
const ids = fc.record(
  { eventId: id, sessionId: id, visitorId: id, userId: id, siteId: id, url: id, path: id },
  { requiredKeys: ['eventId', 'sessionId', 'visitorId', 'userId', 'siteId', 'url', 'path'] },
)
const eventType = fc.oneof({ weight: 9, arbitrary: fc.constant('fuzzed') }, { weight: 1, arbitrary: leaf })
const event = fc
  .tuple(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 8 }), ids, eventType)
  .map(([fields, sound, type]) => ({ ...fields, ...sound, eventType: type }))
const payload = fc.oneof(
  { weight: 3, arbitrary: event },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.dictionary(fc.constantFrom(...keys), value), fc.array(fc.oneof(event, value), { maxLength: 6 }))
      .map(([fields, events]) => ({ ...fields, eventType: 'batch', events })),
  },
  { weight: 1, arbitrary: value },
)
/** Texts that JSON.stringify never makes. */
const spoil = fc.oneof(
  { weight: 12, arbitrary: fc.constant((text: string) => text) },
  fc.nat().map((at) => (text: string) => text.slice(0, at % (text.length + 1))),
  fc.tuple(fc.nat(), hostileText).map(([at, more]) => (text: string) => {
    const cut = at % (text.length + 1)
    return text.slice(0, cut) + more + text.slice(cut)
  }),
  fc
    .constantFrom('12345678901234567890', '1e400', '-0.1e-5000', '9'.repeat(4100), '01', '1.')
    .map((number) => (text: string) => text.replace(/(?<=:)-?\d+(?=[,}])/, number)),
  fc.constant((text: string) => text.replace('{', '{"eventType":"again",')),
  fc.constant((text: string) => text.replace(/[{,]/g, (char) => `${char}\r\n `)),
)
const body = fc.tuple(payload, spoil).map(([sent, change]) => ({ sent, text: change(JSON.stringify(sent) ?? 'null') }))

t.setTimeout(timeoutMs)

t.test(
  `${cases} hostile bodies: never a 5xx, never a stuck request, every accepted event stored`,
  { timeout: timeoutMs },
  async (t) => {
    const seed = seedOf(t)
    const database = await createTestDatabase()
    const server = await createServer(database.db, { env: { RATE_LIMIT_COLLECT: '0' } })
    t.teardown(async () => {
      await server.close()
      await database.close()
    })
    let accepted = 0
    let rejected = 0
    const statuses: Record<number, number> = {}
    for (let done = 0; done < cases; done += together) {
      const bodies = fc.sample(body, { numRuns: together, seed: seed + done })
      const answers = await Promise.all(
        bodies.map(({ text }) => server.app.inject({ method: 'POST', url: '/collect', payload: text })),
      )
      for (const [i, answer] of answers.entries()) {
        const { sent = undefined, text = '' } = bodies[i] ?? {}
        const shown = `seed ${seed + done}, case ${i}: ${JSON.stringify(text)} → ${answer.body}`
        statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1
        if (![200, 400, 413].includes(answer.statusCode)) t.fail(shown)
        if (answer.statusCode !== 200) continue
        const { events_processed: events, duplicate, rejected: bad } = answer.json()
        if (!duplicate) accepted += events
        rejected += bad.length
        if (text === JSON.stringify(sent) && !agrees(sent, bad)) t.fail(`the schema disagrees, ${shown}`)
      }
    }
    t.comment(JSON.stringify({ statuses, accepted, rejected }))
    t.ok(accepted > cases / 2 && rejected > cases / 20 && (statuses[400] ?? 0) > cases / 20, 'the cases are a mix')
    const [stored] = await database.db.query<{ rows: number; ledger: number }>(
      'select (select count(*) from events_log) as rows, (select sum(events) from batches)::bigint as ledger',
    )
    t.same(stored, { rows: accepted, ledger: accepted })
    const lines = await database.db.query<{ raw_event_data: string }>('select raw_event_data from events_log')
    for (const { raw_event_data: raw } of lines)
      if (/[\r\n]/.test(raw) || JSON.stringify(JSON.parse(raw)).includes('canary@example.com')) t.fail(raw)
    const jsonb = await database.db.query('select count(raw_event_data::jsonb) as n from events_log')
    t.same(jsonb, [{ n: accepted }], 'every raw event is storable as jsonb')
    t.equal(server.collector.health().queue.bytes, 0, 'and nothing is held for ever')
  },
)

/** Of a body that was answered with 200: the schema takes exactly the events that the reader took. */
const agrees = (sent: unknown, rejected: { index: number; code: string }[]): boolean => {
  const envelope = sent as { eventType?: unknown; events?: unknown[] }
  const events = envelope.eventType === 'batch' && Array.isArray(envelope.events) ? envelope.events : [sent]
  const beyondTheSchema = new Set(['event_too_deep', 'event_too_large'])
  return events.every((one, index) => {
    const refusal = rejected.find((reject) => reject.index === index)
    if (refusal && beyondTheSchema.has(refusal.code)) return true
    const { eventType, events: children } = (one ?? {}) as { eventType?: unknown; events?: unknown }
    // A number that is a card's is hidden, and a text from then on.
    if (typeof eventType === 'number') return true
    const nested = eventType === 'batch' && Array.isArray(children)
    const inherits =
      events !== undefined &&
      envelope.events === events &&
      !envelopeSchema.omit({ events: true }).safeParse(JSON.parse(JSON.stringify(sent))).success
    return (
      nested || inherits || eventSchema.safeParse(JSON.parse(JSON.stringify(one))).success === (refusal === undefined)
    )
  })
}
