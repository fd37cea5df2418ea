import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { systemClock as clock } from '../src/clock.ts'
import { createDb } from '../src/db.ts'
import { startEmbeddedPostgres } from '../src/embedded-postgres.ts'
import { tempFolder } from './support/exporter.ts'

t.test('the log of PostgreSQL tells what failed, and quotes no row', async (t) => {
  const folder = await tempFolder(t)
  const server = await startEmbeddedPostgres(folder)
  t.teardown(() => server.stop())
  const db = createDb({ url: server.url, applicationName: 'test', connectionsMax: 1, clock })
  t.teardown(() => db.close())
  await db.execute('create table people (id int primary key, note json)')
  await t.rejects(
    db.transaction(async (tx) => {
      const { stream, done } = tx.copyFrom('copy people from stdin')
      stream.end('1\t{"visitorId":"visitor-canary"\n')
      await done
    }),
    { code: '22P02' },
  )
  const log = await readFile(path.join(folder, 'postgres.log'), 'utf8')
  t.match(log, /invalid input syntax for type json/)
  t.notMatch(log, /canary/)
})
