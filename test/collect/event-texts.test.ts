import fc from 'fast-check'
import t from 'tap'
import { type BodyTexts, type EventText, findTexts } from '../../src/collect/event-texts.ts'
import { createTestDatabase } from '../support/database.ts'
import { seedOf } from '../support/random.ts'
import { createServer, post } from './server.ts'

const runs = process.env.STORM === '1' ? 100_000 : 5_000

/** Keys of all objects in a parsed value. */
const keysIn = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0
  const inside = Object.values(value).reduce((sum: number, one) => sum + keysIn(one), 0)
  return Array.isArray(value) ? inside : inside + Object.keys(value).length
}

/** JSON as some senders write it: blanks and tabs between tokens, and letters of strings as escapes. */
const written = fc.json({ maxDepth: 4, noUnicodeString: false } as never)
const blanks = fc.constantFrom('', ' ', '\t', '  ')
const value = fc.tuple(written, blanks, blanks).map(([text, before, after]) => `${before}${text}${after}`)
const key = fc.oneof(
  fc.constantFrom('"events"', '"event\\u0073"', '"eventType"', '"a\\"b"', '"\\\\"', '"e"', '""', '"{"', '"]"'),
  fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text)),
)
const pair = fc
  .tuple(
    key,
    blanks,
    fc.oneof(
      value,
      fc.array(value, { maxLength: 4 }).map((all) => `[${all.join(',')}]`),
    ),
  )
  .map(([name, blank, text]) => `${name}${blank}:${text}`)
const object = fc.array(pair, { maxLength: 5 }).map((pairs) => `{${pairs.join(',')}}`)
const envelope = fc
  .tuple(fc.array(object, { maxLength: 4 }), fc.array(pair, { maxLength: 3 }), fc.array(pair, { maxLength: 3 }))
  .map(([events, before, after]) => `{${[...before, `"events":[${events.join(' , ')}]`, ...after].join(',')}}`)

t.test('each text is that of its event, and its keys are those that were sent', async (t) => {
  let found = 0
  fc.assert(
    fc.property(fc.oneof(envelope, object), (body) => {
      const parsed = JSON.parse(body) as Record<string, unknown>
      const texts = findTexts(body)
      if (!texts) return /[\n\r\\]/.test(body)
      const holds = ({ text, keys }: EventText, event: unknown): boolean =>
        JSON.stringify(JSON.parse(text)) === JSON.stringify(event) && keys >= keysIn(event)
      if (!holds(texts.whole, parsed)) return false
      if (!texts.events) return true
      found++
      const events = parsed.events as unknown[]
      return (
        Array.isArray(events) &&
        texts.events.length === events.length &&
        texts.events.every((one, i) => holds(one, events[i]))
      )
    }),
    { numRuns: runs, seed: seedOf(t) },
  )
  t.ok(found > runs / 20, `${found} of ${runs} bodies had events`)
})

t.test('what the texts say of themselves', async (t) => {
  const textsOf = (body: string): BodyTexts | undefined => findTexts(body)
  t.equal(textsOf('[]'), undefined)
  t.equal(textsOf('"text"'), undefined)
  t.equal(textsOf('{"a":\n1}'), undefined, 'a stored event is one line')
  t.equal(textsOf('{"events":[{"a":1}],"event\\u0073":[{"b":2}]}'), undefined, 'one key in two spellings')
  t.strictSame(textsOf(' {"a":{"b":[{"c":1}]}} '), {
    whole: { text: '{"a":{"b":[{"c":1}]}}', keys: 3, isLossy: false },
    events: undefined,
    isLossyBeside: false,
  })
  t.match(textsOf('{"events":[{"a":1},{"a":1,"a":2}]}'), { events: [{ keys: 1 }, { keys: 2 }] })
  t.match(textsOf('{"events":[{"n":9007199254740993}],"m":1}'), { events: [{ isLossy: true }], isLossyBeside: false })
  t.match(textsOf('{"events":[{"n":9007199254740992},{}],"m":1e999}'), {
    events: [{ isLossy: false }, { keys: 0 }],
    isLossyBeside: true,
    whole: { isLossy: true },
  })
  t.match(textsOf('{"events":[1,{"n":1e999}]}'), { events: undefined, whole: { isLossy: true } })
  t.match(textsOf('{"events":[{"a":1}],"events":[{"b":2}]}'), { events: [{ text: '{"b":2}' }] })
  t.match(textsOf('{"events":[{"a":1}],"events":7}'), { events: undefined })
  for (const number of [
    '0.1000000000000000055',
    '1e-400',
    '-9007199254740993',
    '0.00000000000000000000000001000000000000000000001',
  ])
    t.match(textsOf(`{"n":[${number}]}`), { whole: { isLossy: true } }, number)
  for (const number of ['0.3008', '1e3', '-0.5', '1234567890123456', '0.30000000000000004'])
    t.match(textsOf(`{"n":[${number}]}`), { whole: { isLossy: false } }, number)
})

t.test('an event is stored as it was sent, unless something of it may not be', async (t) => {
  const database = await createTestDatabase()
  const server = await createServer(database.db)
  t.teardown(async () => {
    await server.close()
    await database.close()
  })
  const stored = async (): Promise<string[]> =>
    (
      await database.db.query<{ raw: string }>(
        'select raw_event_data::text as raw from events_log order by batch_id, n',
      )
    ).map(({ raw }) => raw)
  const send = async (body: string): Promise<string[]> => {
    await database.db.execute('delete from events_log')
    const answer = await post(server, body)
    t.equal(answer.status, 200, body)
    return stored()
  }
  t.strictSame(await send('{"eventType" : "x","n":1.50,"u":"\\u00e9", "l":[1, 2]}'), [
    '{"eventType" : "x","n":1.50,"u":"\\u00e9", "l":[1, 2]}',
  ])
  t.strictSame(
    await send(
      '{"eventType":"batch","visitorId":"v","events":[{"eventType":"x", "n":-0.0},{"eventType":"y","visitorId":"w"}]}',
    ),
    ['{"eventType":"x", "n":-0.0,"visitorId":"v"}', '{"eventType":"y","visitorId":"w"}'],
  )
  t.strictSame(await send('{"eventType":\n"x"}'), ['{"eventType":"x"}'])
  t.strictSame(
    await send('{"eventType":"batch","events":[{"eventType":"x","n":9007199254740993},{"eventType":"x","n":1.0}]}'),
    ['{"eventType":"x","n":9007199254740993}', '{"eventType":"x","n":1.0}'],
  )
  // Of a key that comes twice the last value is judged; the first must not be stored unseen.
  for (const body of [
    '{"eventType":"x","note":"canary@example.com","note":"fine"}',
    '{"eventType":"x","data":{"note":"canary@example.com","note":"fine"}}',
    '{"eventType":"x","data":[{"note":"canary@example.com","note":"fine"}]}',
    '{"eventType":"batch","events":[{"eventType":"x","password":"canary","password":""}]}',
    '{"eventType":"x","note":{"email":"canary@example.com"},"note":"fine"}',
    '{"eventType":"x","note":"fine","\\u006eote":"fine","note":"canary@example.com","note":1}',
  ]) {
    const texts = (await send(body)).join()
    t.notMatch(texts, 'canary', body)
    t.match(texts, '"eventType":"x"')
  }
})
