import { type AddressInfo, connect, createServer } from 'node:net'
import t from 'tap'
import { systemClock } from '../src/clock.ts'
import { createDb } from '../src/db.ts'
import { createTestDatabase, testServer } from './support/database.ts'

/** A TCP proxy that cuts each connection after so many bytes of the server's answer. */
const startCutter = async (target: URL) => {
  let bytesMax = Number.POSITIVE_INFINITY
  const server = createServer((socket) => {
    const upstream = connect(Number(target.port), target.hostname)
    let passed = 0
    socket.pipe(upstream)
    upstream.on('data', (chunk) => {
      const rest = bytesMax - passed
      passed += chunk.length
      socket.write(chunk.subarray(0, Math.max(0, rest)))
      if (passed >= bytesMax) {
        socket.destroy()
        upstream.destroy()
      }
    })
    for (const one of [socket, upstream]) one.on('error', () => {})
    upstream.on('close', () => socket.destroy())
    socket.on('close', () => upstream.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    cutAfter(bytes: number) {
      bytesMax = bytes
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

t.test(
  'a connection that is cut at any byte of its first answers is an error, never the end of the process',
  async (t) => {
    const { url, close } = await createTestDatabase()
    t.teardown(close)
    const cutter = await startCutter(new URL(url))
    t.teardown(() => cutter.close())
    const cutUrl = Object.assign(new URL(url), { port: String(cutter.port) }).href
    const uncaught: unknown[] = []
    const note = (error: unknown) => void uncaught.push(error)
    process.on('uncaughtException', note)
    t.teardown(() => process.off('uncaughtException', note))
    let failed = 0
    for (let bytes = 1; bytes < 1200; bytes += 13) {
      cutter.cutAfter(bytes)
      const db = createDb({ url: cutUrl, applicationName: 'test', connectionsMax: 1, clock: systemClock })
      await db.query('select 1').catch(() => {
        failed++
      })
      await db.close()
    }
    t.ok(failed > 40, `${failed} connections failed`)
    t.strictSame(uncaught, [])
    cutter.cutAfter(Number.POSITIVE_INFINITY)
    const db = createDb({ url: cutUrl, applicationName: 'test', connectionsMax: 1, clock: systemClock })
    t.strictSame(await db.query('select 1 as one'), [{ one: 1 }])
    await db.close()
  },
)

t.test('a database that would acknowledge what it can lose is refused', async (t) => {
  const server = await testServer()
  t.teardown(() => server.stop())
  const url = Object.assign(new URL(server.url), { search: '?options=-c%20synchronous_commit%3Doff' }).href
  const db = createDb({ url, applicationName: 'test', connectionsMax: 1, clock: systemClock })
  t.teardown(() => db.close())
  t.match(await db.query('show synchronous_commit'), [{ synchronous_commit: 'on' }], 'each connection turns it on')
})

t.test('COMMIT of a failed transaction is an error, not a success', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  await t.rejects(
    db.transaction(async (tx) => {
      await tx.execute('create table made (n int)')
      await tx.execute('select 1 / 0').catch(() => undefined)
      return 'looks fine'
    }),
    { code: 'commit_refused' },
  )
  t.strictSame(await db.query(`select to_regclass('made') as made`), [{ made: null }])
})
