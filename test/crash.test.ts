import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { serverDatabase } from './support/database.ts'
import { folderReader, readDelivered } from './support/delivered.ts'
import { tempFolder } from './support/exporter.ts'
import { createRandom, seedOf } from './support/random.ts'
import { startServer, type TestServer } from './support/server.ts'

const kills = process.env.STORM ? 100 : 10
const sendersAtOnce = 6
const eventsPerRequest = 25

type Request = { batchId: string; events: { eventType: string; eventId: string; eventData: object }[] }

const makeRequest = (): Request => ({
  batchId: randomUUID(),
  events: Array.from({ length: eventsPerRequest }, (_, n) => ({
    eventType: n === 0 ? 'pageview' : 'click',
    eventId: randomUUID(),
    eventData: { text: 'some words '.repeat(n) },
  })),
})

/** Sends requests until told to stop; what got no answer is kept, to be sent again as it is: same batchId. */
const send = async (server: TestServer, open: Request[], done: Set<string>, ended: () => boolean): Promise<void> => {
  while (!ended()) {
    const request = open.pop() ?? makeRequest()
    try {
      const response = await fetch(`${server.address}/collect`, {
        method: 'POST',
        body: JSON.stringify({
          eventType: 'batch',
          siteId: 'shop.example.com',
          sessionId: 's',
          visitorId: 'v',
          ...request,
        }),
      })
      if (response.status !== 200) throw new Error(`answered ${response.status}`)
      await response.json()
      for (const event of request.events) done.add(event.eventId)
    } catch {
      open.push(request)
      if (!ended()) await sleep(20)
    }
  }
}

t.test(`${kills} kills -9 while collecting and exporting lose nothing and double nothing`, async (t) => {
  const random = createRandom(seedOf(t))
  const folder = await tempFolder(t)
  const env = { ...(await serverDatabase(t)), EXPORT_FORMAT: 'json,parquet', PART_ROWS_MAX: '1000' }
  const acknowledged = new Set<string>()
  const open: Request[] = []
  for (let kill = 0; kill < kills; kill++) {
    const server = await startServer(folder, env)
    let ended = false
    const senders = Array.from({ length: sendersAtOnce }, () => send(server, open, acknowledged, () => ended))
    // Exports follow each other without a pause, so that a kill meets each of their steps.
    const exporting = (async () => {
      while (!ended) await server.admin('POST', '/export/run?wait=true').catch(() => sleep(20))
    })()
    await sleep(100 + random() * 1400)
    server.process.kill('SIGKILL')
    await server.exited
    ended = true
    await Promise.all([...senders, exporting])
  }
  const last = await startServer(folder, env)
  let ended = false
  const finishing = send(last, open, acknowledged, () => ended)
  while (open.length > 0) await sleep(20)
  ended = true
  await finishing
  t.match(await last.admin('POST', '/export/run?wait=true'), { status: 'done', held: null })
  t.match(await last.admin('POST', '/export/run?wait=true'), { parts: 0 }, 'nothing is left')
  last.process.kill('SIGTERM')
  t.equal(await last.exited, 0)

  t.comment(`${acknowledged.size} events acknowledged`)
  t.ok(acknowledged.size > 0, 'something was acknowledged')
  for (const destination of ['client', 'backup']) {
    const { rows, problems, manifests } = await readDelivered(folderReader(path.join(folder, 'exports', destination)))
    t.strictSame(problems, [], `${destination}: every object is in a manifest that is true`)
    for (const format of ['json', 'parquet']) {
      const delivered = (rows[format] ?? []).map((row) => row.event_id ?? '')
      const distinct = new Set(delivered)
      t.equal(distinct.size, delivered.length, `${destination} ${format}: no event is there twice`)
      t.strictSame(
        [...acknowledged].filter((id) => !distinct.has(id)),
        [],
        `${destination} ${format}: every acknowledged event is there`,
      )
    }
    t.comment(`${destination}: ${manifests.length} parts`)
  }
})
