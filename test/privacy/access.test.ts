import path from 'node:path'
import t from 'tap'
import type { Db } from '../../src/db.ts'
import { personEvents } from '../../src/privacy/access.ts'
import { insertBatch } from '../support/batches.ts'
import { event, setUp } from './lab.ts'

t.test('a person with very many events is given all of them, in order, a page at a time', async (t) => {
  const { db, DATA_DIR, service } = await setUp(t)
  for (const from of [0, 1_500, 3_000])
    await insertBatch(db, [
      ...Array.from({ length: 1_500 }, (_, n) => event('many', { path: `/${from + n}` })),
      event('other'),
    ])
  let rowsMax = 0
  const counting = <T>(query: () => Promise<T[]>): Promise<T[]> =>
    query().then((rows) => {
      rowsMax = Math.max(rowsMax, rows.length)
      return rows
    })
  const watched: Db = {
    ...db,
    query: (text, values) => counting(() => db.query(text, values)),
    async session() {
      const session = await db.session()
      return { ...session, query: (text, values) => counting(() => session.query(text, values)) }
    },
  }
  const given: string[] = []
  const deps = { db: watched, destinations: service.destinations, scratchFolder: path.join(DATA_DIR, 'scratch') }
  for await (const line of personEvents({ ...deps, memoryMb: 128 }, { visitors: ['many'], users: [] }, Date.now()))
    given.push((JSON.parse(line) as { path: string }).path)
  t.same(
    given,
    Array.from({ length: 4_500 }, (_, n) => `/${n}`),
  )
  t.ok(rowsMax <= 1_000, `${rowsMax} rows at a time`)
})
