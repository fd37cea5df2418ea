import t from 'tap'
import { createVerification } from '../../src/export/verification.ts'
import type { Destination } from '../../src/storage/destination.ts'
import { insertBatch } from '../support/batches.ts'
import { createTestDatabase } from '../support/database.ts'
import { createTestExporter, tempFolder } from '../support/exporter.ts'
import { until } from '../support/until.ts'

t.test('a verification says how far it is, and who asks meanwhile is given its outcome', async (t) => {
  const { db, close } = await createTestDatabase()
  const DATA_DIR = await tempFolder(t)
  const exporting = createTestExporter(db, { DATA_DIR })
  t.teardown(async () => {
    await exporting.close()
    await close()
  })
  for (let n = 0; n < 3; n++) {
    await insertBatch(db, [{}, {}])
    await exporting.exporter.run()
  }
  let looks = 0
  let go = (): void => {}
  const held = new Promise<void>((resolve) => {
    go = resolve
  })
  /** The real one, whose second file is slow. */
  const slow = (one: Destination): Destination => ({
    ...one,
    async stat(key) {
      if (++looks > 1) await held
      return one.stat(key)
    },
  })
  const [client] = exporting.destinations
  if (!client) throw new Error('There is a destination.')
  const verification = createVerification([slow(client)])
  t.equal(verification.progress(), undefined)
  const first = verification.run()
  t.match(verification.progress(), [{ destination: 'client', done_bytes: 0, total_bytes: 0, finished: false }])
  await until('one file was looked at', () => (verification.progress()?.[0]?.done_bytes ?? 0) > 0)
  const [place] = verification.progress() ?? []
  t.ok(place && place.done_bytes < place.total_bytes && !place.finished)
  const second = verification.run()
  go()
  t.equal(await second, await first, 'both were given the same')
  t.match(await first, [{ destination: 'client', manifests: 3, events: 6, problems: [] }])
  t.equal(looks, 3, 'and it was done once')
  t.equal(verification.progress(), undefined)
  await verification.run()
  t.equal(looks, 6, 'the next one looks again')
})

t.test('one that fails is over, too', async (t) => {
  const gone = {
    name: 'client',
    list() {
      throw new Error('gone')
    },
  } as unknown as Destination
  const verification = createVerification([gone])
  await t.rejects(verification.run(), { message: 'gone' })
  t.equal(verification.progress(), undefined)
})
