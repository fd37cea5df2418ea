import t, { type Test } from 'tap'
import type { Fact } from '../../../src/agents/fact.ts'
import type { Narrative, NarrativeRequest } from '../../../src/agents/narrative.ts'
import { createTestDatabase } from '../../support/database.ts'
import { factOf, requestOf } from './facts.ts'
import {
  callTools,
  createFakeClaude,
  draftReply,
  failed,
  message,
  type Part,
  type Reply,
  reader,
  toolResults,
  toolUse,
} from './fake-claude.ts'
import { apiKey, createStage } from './stage.ts'

/**
 * The whole way over HTTP: the real SDK against a Messages API on loopback that plays one part after another. In every
 * one of them every note has a text, the facts are those that were given, and the budget holds.
 */
const text = (words: string) => ({ kind: 'text', text: words })
const value = (fact_id: string, format = 'value') => ({ kind: 'fact', fact_id, format })
const good: unknown[] = [text('Sessions rose to '), value('f1'), text('.')]
const goodReply = draftReply(good)
const factsOf = (seed: number): Fact[] => [
  factOf('sessions', 1_000 + seed, { compare: { value: 900, direction: 'up' }, dims: { site: 'shop.example' } }),
  factOf('orders', 40 + seed, { compare: { value: 60, direction: 'down' }, dims: { site: 'shop.example' } }),
  factOf('conversion_rate', 0.2, { n: 100 + seed, unit: 'share', dims: { site: 'shop.example', device: 'mobile' } }),
]
let seeds = 0
/** Requests that no test before has made. */
const requestsOf = (count: number, more: Partial<NarrativeRequest> = {}): NarrativeRequest[] =>
  Array.from({ length: count }, (_, index) => requestOf(`day/${index}`, factsOf(++seeds), more))

const { db, close } = await createTestDatabase()
const fake = await createFakeClaude(() => goodReply)
t.teardown(async () => {
  await fake.close()
  await close()
})

/** Holds in every case: each request is answered, by its plain text or over its own facts, and nothing was changed. */
const narrated = async (
  t: Test,
  stage: ReturnType<typeof createStage>,
  requests: NarrativeRequest[],
): Promise<Narrative[]> => {
  const before = JSON.stringify(requests)
  const steps: number[] = []
  const answers = await stage.narrate(requests, (done, of) => steps.push(of === requests.length ? done : Number.NaN))
  t.equal(JSON.stringify(requests), before, 'the facts are what they were')
  t.strictSame([...answers.keys()].sort(), requests.map(({ noteId }) => noteId).sort(), 'every note has a text')
  t.strictSame(
    steps,
    requests.map((_, index) => index + 1),
    'progress counts every note once',
  )
  for (const { noteId, facts, plain } of requests) {
    const answer = answers.get(noteId)
    if (answer?.source === 'plain') t.strictSame(answer, plain)
    else
      for (const piece of answer?.paragraphs.flat() ?? [])
        if (piece.kind !== 'text')
          t.ok(
            facts.some(({ id }) => id === piece.factId),
            'a fact of this note',
          )
  }
  t.notMatch(stage.raw(), apiKey, 'the key is in no log')
  t.strictSame(fake.failures, [])
  return requests.map(({ noteId }) => answers.get(noteId) as Narrative)
}

t.test('a good draft is printed over its facts, and read by tools first', async (t) => {
  fake.play(
    reader((request) => {
      const [result] = toolResults(request)
      const lines = String(result?.content)
        .split('\n')
        .map((line) => JSON.parse(line))
      t.match(lines, [
        { id: 'f1', metric: 'sessions', unit: 'count', compared_with: { direction: 'up' } },
        { id: 'f2', metric: 'orders' },
        { id: 'f3', metric: 'conversion_rate', about: { device: 'mobile' } },
      ])
      t.match(
        request.body.messages[0]?.content,
        'Every fact is about: {"site":"site_1","days":["2026-11-19","2026-11-19"]}',
      )
      return goodReply
    }),
  )
  const stage = createStage(db, fake)
  const requests = requestsOf(1)
  const [answer] = await narrated(t, stage, requests)
  t.strictSame(answer, {
    source: 'model',
    paragraphs: [
      [
        { kind: 'text', text: 'Sessions rose to ' },
        { kind: 'fact', factId: requests[0]?.facts[0]?.id, format: 'value' },
        { kind: 'text', text: '.' },
      ],
    ],
  })
  const [first, second] = fake.received
  t.match(first?.headers, { authorization: `Bearer ${apiKey}`, 'anthropic-version': '2026-10-21' })
  for (const gone of ['temperature', 'top_p', 'top_k', 'tool_choice', 'thread', 'thinking', 'metadata'])
    t.notOk(gone in (first?.body ?? {}), gone)
  t.notOk(first?.headers['anthropic-beta'], 'nothing is kept at the API')
  t.match(first?.body, { model: 'claude-haiku-5-5', output_config: { effort: 'low', format: { type: 'json_schema' } } })
  t.ok(second?.raw.toString().includes('tool_result'))
  t.match(stage.spent(), { written: 1, requests: 2, inputTokens: 2_000, outputTokens: 400, usd: 0.0004 })
})

t.test('an unchanged note costs nothing, also after a restart; a changed one is asked for again', async (t) => {
  fake.play(() => goodReply)
  const requests = requestsOf(3)
  const first = await narrated(t, createStage(db, fake), requests)
  t.equal(fake.received.length, 3)
  fake.play(() => goodReply)
  t.strictSame(await narrated(t, createStage(db, fake), requests), first)
  t.equal(fake.received.length, 0)
  const hourly = createStage(db, fake, { subjects: ['alert'] })
  t.strictSame(await narrated(t, hourly, requests), first, 'what is kept is used in an hourly run')
  const changed = requests.map((one, index) => (index === 1 ? { ...one, facts: factsOf(++seeds) } : one))
  const [a, b, c] = await narrated(t, createStage(db, fake), changed)
  t.equal(fake.received.length, 1)
  t.strictSame([a, c], [first[0], first[2]])
  t.equal(b?.source, 'model')
  await narrated(
    t,
    createStage(db, fake, { model: { name: 'claude-sonnet-5-5', effort: 'low' } }),
    requests.slice(0, 1),
  )
  t.equal(fake.received.length, 2, 'another model writes its own text')
  await narrated(t, hourly, requestsOf(2))
  t.equal(fake.received.length, 2, 'an hourly run asks about alerts alone')
})

const lie = draftReply([text('Sessions fell to '), value('f1'), text('.')])
t.test('a refused draft is written once more with the reasons', async (t) => {
  fake.play((request) => (request.body.messages.length === 1 ? lie : goodReply))
  const [answer] = await narrated(t, createStage(db, fake), requestsOf(1))
  t.equal(answer?.source, 'model')
  const turns = fake.received[1]?.body.messages ?? []
  t.strictSame(
    turns.map(({ role }) => role),
    ['user', 'assistant', 'user'],
  )
  t.match(JSON.stringify(turns[2]), /f1 went up, not down/)
})

const draftText = (body: string): Reply => message([{ type: 'text', text: body }])
const lies: Record<string, Reply> = {
  'a wrong number': draftReply([text('There were 1234 sessions.'), value('f1')]),
  'a number in words': draftReply([text('There were twelve hundred sessions, '), value('f1')]),
  'an invented fact': draftReply([text('There were '), value('f77'), text(' sessions.')]),
  'a wrong direction': lie,
  'a format that is not there': draftReply([text('Sessions were '), value('f1', 'interval')]),
  'an unknown format': draftReply([text('Sessions were '), value('f1', 'exact')]),
  markup: draftReply([text('<img src=x> sessions '), value('f1')]),
  'a link': draftReply([text('See https://evil.example for sessions '), value('f1')]),
  'invalid JSON': draftText('{"paragraphs": ['),
  'no JSON': draftText('Here is your text: sessions rose.'),
  'another shape': draftText('{"paragraphs":[{"pieces":[{"kind":"html","html":"x"}]}]}'),
  'more keys': draftText('{"paragraphs":[],"note":"x"}'),
  'JSON with a prototype': draftText('{"__proto__":{"paragraphs":[]},"paragraphs":[]}'),
  'no text': message([{ type: 'thinking', thinking: 'x', signature: 's' }]),
  'too long a text': draftReply([text('Sessions were seen. '.repeat(200)), value('f1')]),
}
for (const [what, reply] of Object.entries(lies))
  t.test(`${what}, twice: the plain text stands, and is not asked for again`, async (t) => {
    fake.play(() => reply)
    const requests = requestsOf(1)
    const stage = createStage(db, fake)
    const [answer] = await narrated(t, stage, requests)
    t.equal(answer?.source, 'plain')
    t.equal(fake.received.length, 2)
    t.match(stage.spent(), { rejected: 1, written: 0 })
    await narrated(t, createStage(db, fake), requests)
    t.equal(fake.received.length, 2)
  })

const unanswered: Record<string, [Part, number]> = {
  'a refusal': [() => message([], { stop_reason: 'refusal', stop_details: { type: 'refusal', category: null } }), 1],
  'a refusal in words': [() => message([{ type: 'text', text: 'I cannot.' }], { stop_reason: 'refusal' }), 1],
  'a truncated answer': [() => message([{ type: 'text', text: '{"paragr' }], { stop_reason: 'max_tokens' }), 1],
  'a full context': [() => message([], { stop_reason: 'model_context_window_exceeded' }), 1],
  'endless tool calls': [() => callTools(toolUse('list_facts', { metric: null, after: null })), 5],
  'endless pauses': [() => message([{ type: 'text', text: 'wait' }], { stop_reason: 'pause_turn' }), 5],
}
for (const [what, [part, times]] of Object.entries(unanswered))
  t.test(`${what}: the plain text stands`, async (t) => {
    fake.play(part)
    const stage = createStage(db, fake)
    const [answer] = await narrated(t, stage, requestsOf(1))
    t.equal(answer?.source, 'plain')
    t.equal(fake.received.length, times)
    t.match(stage.spent(), { unanswered: 1 })
  })

t.test('an empty answer: the plain text stands', async (t) => {
  fake.play(() => message([]))
  const stage = createStage(db, fake)
  const [answer] = await narrated(t, stage, requestsOf(1))
  t.equal(answer?.source, 'plain')
  t.equal(fake.received.length, 1, 'an empty turn cannot be sent back')
})

const wrongCalls = {
  'an unknown metric': toolUse('list_facts', { metric: 'passwords', after: null }),
  'missing fields': toolUse('list_facts', {}),
  'more fields': toolUse('list_facts', { metric: null, after: null, sql: 'select 1' }),
  'no object': toolUse('list_facts', 'all'),
  'an unknown tool': toolUse('run_sql', { sql: 'select * from visitors' }),
  'an unknown place': toolUse('list_facts', { metric: null, after: 'f99' }),
  'a fact of another note': toolUse('related_facts', { fact_id: 'f_0123456789abcdef' }),
}
for (const [what, call] of Object.entries(wrongCalls))
  t.test(`a tool call with ${what} is answered with an error, and the text is written`, async (t) => {
    fake.play((request) => {
      if (request.body.messages.length === 1) return callTools(call)
      t.match(toolResults(request), [{ is_error: true }])
      return goodReply
    })
    const [answer] = await narrated(t, createStage(db, fake), requestsOf(1))
    t.equal(answer?.source, 'model')
  })

t.test('tools give fifty facts and eight kilobytes at once, page by page, and no more than enough', async (t) => {
  const many = Array.from({ length: 150 }, (_, index) =>
    factOf('page_views', 1_000 - index, { dims: { page: `/p${index}` } }),
  )
  const pages: number[] = []
  fake.play((request) => {
    const [result] = toolResults(request)
    if (result) {
      const lines = String(result.content).split('\n')
      t.ok(Buffer.byteLength(String(result.content)) < 8_100 && lines.length <= 51)
      pages.push(lines.filter((line) => line !== 'more').length)
      if (lines.at(-1) === 'more') {
        const { id } = JSON.parse(lines.at(-2) ?? '{}')
        return callTools(toolUse('list_facts', { metric: 'page_views', after: id }))
      }
      return draftReply([
        text('The page '),
        { kind: 'name', fact_id: 'f1', dimension: 'page' },
        text(' had '),
        value('f1'),
        text(' views.'),
      ])
    }
    return callTools(toolUse('list_facts', { metric: 'page_views', after: null }))
  })
  const [answer] = await narrated(t, createStage(db, fake), [requestOf('day/many', many)])
  t.equal(answer?.source, 'model')
  t.equal(
    pages.reduce((sum, one) => sum + one, 0),
    120,
    'the first 120 facts',
  )

  fake.play((request) =>
    request.body.messages.length === 1
      ? callTools(
          ...Array.from({ length: 40 }, (_, index) =>
            toolUse('list_facts', { metric: null, after: null }, `toolu_${index}`),
          ),
        )
      : draftReply([
          text('The page '),
          { kind: 'name', fact_id: 'f1', dimension: 'page' },
          text(' had '),
          value('f1'),
          text(' views.'),
        ]),
  )
  await narrated(t, createStage(db, fake), [requestOf('day/greedy', many.slice(1))])
  const [, second] = fake.received
  t.ok((second?.raw.byteLength ?? 0) < 100_000)
  t.ok(toolResults(second as never).some(({ is_error }) => is_error === true))
})

t.test('429 and 529, then success: the text is written', async (t) => {
  for (const [status, type] of [
    [429, 'rate_limit_error'],
    [529, 'overloaded_error'],
    [500, 'api_error'],
    [408, 'timeout_error'],
  ] as const) {
    fake.play((_, index) => (index < 2 ? failed(status, type) : goodReply))
    const stage = createStage(db, fake, { retries: 2 })
    const [answer] = await narrated(t, stage, requestsOf(1))
    t.equal(answer?.source, 'model')
    t.equal(fake.received.length, 3)
    t.match(stage.spent(), { requests: 3, usd: 0.0002 }, 'an error costs nothing, and counts as a request')
  }
})

t.test('an API that stays overloaded is left alone after three notes', async (t) => {
  fake.play(() => failed(529, 'overloaded_error'))
  const stage = createStage(db, fake, { retries: 2 })
  const answers = await narrated(t, stage, requestsOf(30))
  t.ok(answers.every(({ source }) => source === 'plain'))
  t.ok(fake.received.length <= 15, `${fake.received.length} requests`)
  t.match(stage.lines('warn'), [{ msg: /^Claude API: it answered 529 \(overloaded_error\)/ }])
  t.equal(stage.lines('warn').length, 1)
  fake.play(() => goodReply)
  t.ok((await narrated(t, createStage(db, fake), requestsOf(2))).every(({ source }) => source === 'model'))
})

t.test('a proxy that answers with something else is left alone after three notes, too', async (t) => {
  fake.play(() => ({ headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' }))
  const stage = createStage(db, fake)
  const answers = await narrated(t, stage, requestsOf(30))
  t.ok(answers.every(({ source }) => source === 'plain'))
  t.ok(fake.received.length <= 5, `${fake.received.length} requests`)
  t.match(stage.lines('warn'), [
    { msg: 'Claude API: the answer is no message. The other notes of this run keep their plain texts' },
  ])
})

t.test('who is told to come back much later does not wait', async (t) => {
  for (const headers of [
    { 'retry-after': '3600' },
    { 'retry-after-ms': '3600000' },
    { 'retry-after': 'Fri, 20 Nov 2037 00:00:00 GMT' },
  ]) {
    fake.play(() => failed(429, 'rate_limit_error', headers))
    const [answer] = await narrated(t, createStage(db, fake, { retries: 2 }), requestsOf(1))
    t.equal(answer?.source, 'plain')
    t.equal(fake.received.length, 1)
  }
})

t.test('an API that hangs, resets, or answers with something else: plain texts', async (t) => {
  const broken: Record<string, Part> = {
    reset: () => 'reset',
    'no message': () => ({ body: { hello: 'world' } }),
    'a page of a proxy': () => ({ headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' }),
    'half of it': () => ({ body: '{"type":"message","content":[' }),
    'a negative usage': () => message([], { usage: { input_tokens: -1_000_000, output_tokens: 0 } }),
    'content that is no list': () => ({ body: { type: 'message', content: 'x', stop_reason: null, usage: {} } }),
    'a huge reply': () =>
      message([
        { type: 'thinking', thinking: 'x'.repeat(3_000_000), signature: 's' },
        { type: 'text', text: JSON.stringify({ paragraphs: [{ pieces: good }] }) },
      ]),
    'an endless draft': () => draftReply([text('Sessions '.repeat(20_000)), value('f1')]),
  }
  for (const [what, part] of Object.entries(broken)) {
    fake.play(part)
    const stage = createStage(db, fake)
    const answers = await narrated(t, stage, requestsOf(2))
    t.ok(
      answers.every(({ source }) => source === 'plain'),
      what,
    )
  }
  for (const how of ['hang', 'hang in the body'] as const) {
    const stage = createStage(db, fake)
    fake.play(() => {
      setImmediate(() => stage.clock.pass(120_000))
      return how
    })
    const answers = await narrated(t, stage, requestsOf(1))
    t.equal(answers[0]?.source, 'plain', how)
    t.equal(fake.received.length, 1)
  }
})

t.test('a connection that is reset once is tried again', async (t) => {
  fake.play((_, index) => (index === 0 ? 'reset' : goodReply))
  const [answer] = await narrated(t, createStage(db, fake, { retries: 1 }), requestsOf(1))
  t.equal(answer?.source, 'model')
})

t.test('a refused key: one clear line, plain texts, no storm', async (t) => {
  for (const [status, type, line] of [
    [401, 'authentication_error', /401 \(authentication_error\): it does not take the key; check ANTHROPIC_API_KEY/],
    [402, 'billing_error', /402 .* billing/],
    [403, 'permission_error', /403 .* permissions/],
    [404, 'not_found_error', /404 .* AGENTS_MODEL/],
    [400, 'invalid_request_error', /400 .* AGENTS_EFFORT/],
  ] as const) {
    fake.play(() => ({ status, body: { type: 'error', error: { type, message: `no such key ${apiKey}` } } }))
    const stage = createStage(db, fake, { retries: 2 })
    const answers = await narrated(t, stage, requestsOf(20))
    t.ok(answers.every(({ source }) => source === 'plain'))
    t.ok(fake.received.length <= 3, 'what was under way, and nothing more')
    t.equal(stage.lines('warn').length, 1)
    t.match(stage.lines('warn')[0]?.msg, line)
  }
})

t.test('the budget of a run is hard', async (t) => {
  const most = { usd: 0.05, requests: 300, tokens: 2_000_000, wallMs: 600_000 }
  const run = async (limits: Partial<typeof most>, part: Part = reader(() => goodReply), count = 30) => {
    fake.play(part)
    const stage = createStage(db, fake, { limits: { ...most, ...limits } })
    const answers = await narrated(t, stage, requestsOf(count))
    return { stage, spent: stage.spent(), texts: answers.filter(({ source }) => source === 'model').length }
  }
  const money = await run({ usd: 0.01 })
  t.ok(money.spent.usd <= 0.01 && money.texts > 0 && money.texts < 30, `${money.texts} texts for $${money.spent.usd}`)
  t.match(money.stage.lines('warn'), [{ msg: /the budget of this run is spent: usd/ }])
  const requests = await run({ requests: 7 })
  t.ok(fake.received.length === 7 && requests.spent.requests === 7)
  const tokens = await run({ tokens: 30_000 })
  t.ok(tokens.spent.inputTokens + tokens.spent.outputTokens <= 30_000 && tokens.texts < 30)
  t.equal((await run({ usd: 0 })).texts, 0)
  t.equal(fake.received.length, 0, 'a budget of nothing asks for nothing')

  const retried = await run({ requests: 4 }, () => failed(529, 'overloaded_error'))
  t.ok(fake.received.length <= 4 && retried.texts === 0, 'retries are paid for, too')
  const lost = await run({ usd: 0.01 }, () => ({ body: 'nothing' }))
  t.ok(lost.spent.usd <= 0.01 && fake.received.length < 10, 'an answer without usage counts at its most')
  const greedy = await run({}, () => message([], { usage: { input_tokens: 10_000_000, output_tokens: 0 } }))
  t.ok(fake.received.length <= 3 && greedy.texts === 0, 'after an answer that cost more than all there is, no other')

  fake.play(() => {
    setImmediate(() => slow.clock.pass(600_000))
    return 'hang'
  })
  const slow = createStage(db, fake, { noteMs: 700_000 })
  const answers = await narrated(t, slow, requestsOf(10))
  t.ok(answers.every(({ source }) => source === 'plain') && fake.received.length <= 3, 'time is up')
})

t.test('alerts are paid for before pages, and a model without a price as the dearest', async (t) => {
  fake.play(() => goodReply)
  const requests = [
    ...requestsOf(3, { subject: 'heatmap' }),
    ...requestsOf(3, { subject: 'day' }),
    ...requestsOf(3, { subject: 'alert' }),
  ].map((one, index) => ({ ...one, noteId: `${one.subject}/${index}` }))
  const limits = { usd: 0.05, requests: 3, tokens: 2_000_000, wallMs: 600_000 }
  const answers = await narrated(t, createStage(db, fake, { limits }), requests)
  t.strictSame(
    answers.map(({ source }) => source),
    [...Array(6).fill('plain'), ...Array(3).fill('model')],
  )

  const stage = createStage(db, fake, {
    model: { name: 'some-new-model', effort: 'none' },
    limits: { ...limits, usd: 5 },
  })
  fake.play(() => goodReply)
  await narrated(t, stage, requestsOf(1))
  t.equal(stage.spent().usd, (1_000 * 10 + 200 * 50) / 1e6)
  t.match(stage.lines('warn'), [{ msg: /do not name AGENTS_MODEL/ }])
  t.strictSame(Object.keys(fake.received[0]?.body.output_config ?? {}), ['format'], 'no effort for a model without it')
})

t.test('a database that is away costs the texts, not the notes', async (t) => {
  fake.play(() => goodReply)
  const away = async () => {
    throw new Error('connection refused')
  }
  const stage = createStage({ ...db, query: away, execute: away } as never, fake)
  const answers = await stage.narrate(requestsOf(2))
  t.strictSame(
    [...answers.values()].map(({ source }) => source),
    ['plain', 'plain'],
  )
  const unwritable = createStage({ ...db, execute: away } as never, fake)
  const [answer] = [...(await unwritable.narrate(requestsOf(1))).values()]
  t.equal(answer?.source, 'model', 'what was paid for is in the note')
})

t.test('a program that stops does not wait for a model', async (t) => {
  const stop = new AbortController()
  fake.play(() => {
    stop.abort()
    return 'hang'
  })
  const stage = createStage(db, fake)
  const answers = await stage.narrate(requestsOf(9), undefined, stop.signal)
  t.ok([...answers.values()].every(({ source }) => source === 'plain'))
  t.ok(fake.received.length <= 3)
  t.strictSame(stage.lines('warn'), [], 'nothing is wrong')
})
