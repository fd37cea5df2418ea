import t from 'tap'
import { dryRun } from '../../../src/agents/narrate/dry-run.ts'
import { createTestDatabase } from '../../support/database.ts'
import { factOf, requestOf } from './facts.ts'
import { callTools, createFakeClaude, draftReply, toolResults, toolUse } from './fake-claude.ts'
import { createStage } from './stage.ts'

t.test('a dry run prints the first requests and what tools may answer, and sends nothing', async (t) => {
  const { db, close } = await createTestDatabase()
  const fake = await createFakeClaude(({ body }) =>
    body.messages.length === 1
      ? callTools(
          toolUse('list_facts', { metric: null, after: null }, 'toolu_1'),
          toolUse('list_facts', { metric: null, after: 'f50' }, 'toolu_2'),
          toolUse('related_facts', { fact_id: 'f2' }, 'toolu_3'),
        )
      : draftReply([
          { kind: 'text', text: 'Views were ' },
          { kind: 'fact', fact_id: 'f1', format: 'value' },
        ]),
  )
  t.teardown(async () => {
    await fake.close()
    await close()
  })
  const requests = ['a', 'b', 'c'].map((noteId, index) =>
    requestOf(
      noteId,
      Array.from({ length: 80 }, (_, at) =>
        factOf('page_views', 1_000 * (index + 1) - at, { dims: { page: `/${at % 40}` } }),
      ),
    ),
  )
  const model = { name: 'claude-haiku-5-5', effort: 'low' as const }
  const prompts = await dryRun([...requests, requestOf('nothing', [])], model, fake.url)
  t.equal(fake.received.length, 0)
  t.strictSame(
    prompts.map(({ noteId }) => noteId),
    ['a', 'b', 'c'],
    'a note without facts is not asked about',
  )

  await createStage(db, fake).narrate(requests)
  const first = fake.received.filter(({ body }) => body.messages.length === 1).map(({ raw }) => raw.toString('utf8'))
  t.strictSame(first.sort(), prompts.map(({ request }) => request).sort(), 'byte for byte')
  const known = new Set(prompts.flatMap(({ facts }) => facts))
  const answered = fake.received.flatMap(toolResults).flatMap(({ content }) => String(content).split('\n'))
  t.ok(answered.length > 150)
  t.strictSame(
    answered.filter((line) => !known.has(line) && line !== 'more'),
    [],
    'the tools say nothing else',
  )
})
