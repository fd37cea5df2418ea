import t from 'tap'
import { createLog } from '../src/log.ts'
import { createTestDatabase } from './support/database.ts'

t.test('an error of the database is logged without the rows that it quotes', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const lines: string[] = []
  const log = createLog('info', { write: (line) => void lines.push(line) })
  await db.execute('create table people (id text primary key, note json)')
  await db.execute(`insert into people values ('visitor-canary')`)
  for (const [statement, state] of [
    [`insert into people values ('visitor-canary')`, '23505'],
    [`insert into people values ('x', '{"visitor-canary": oops}')`, '22P02'],
  ] as const) {
    const error = await db.execute(statement).then(
      () => undefined,
      (failure: unknown) => failure,
    )
    log.error({ err: error }, 'it failed')
    t.match(JSON.parse(lines.at(-1) ?? ''), { err: { code: state, message: /\w/, stack: /\w/ } })
    t.notMatch(lines.at(-1), /canary/)
  }
})
