import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { createTestDatabase } from '../support/database.ts'
import { createRandom, seedOf } from '../support/random.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'
import { until } from './until.ts'

const runs = process.env.STORM === '1' ? 200 : 10
const senders = 20
/** Bound of one run, mostly the start of a process. */
const runMsMax = 20_000

t.setTimeout(runs * runMsMax)

type Running = { child: ChildProcess; port: number }

t.test(
  `a collector killed ${runs} times under load keeps every acknowledged event, and none twice`,
  { timeout: runs * runMsMax },
  async (t) => {
    // The same kills for the same seed, as far as timing allows.
    const random = createRandom(seedOf(t))
    const database = await createTestDatabase()
    const address = new URL(database.url)
    const proxy = await createTcpProxy({ host: address.hostname, port: Number(address.port) })
    const dataDir = await mkdtemp(path.join(tmpdir(), 'evothesis-kill-'))
    t.teardown(async () => {
      await proxy.close()
      await database.close()
      await rm(dataDir, { recursive: true, force: true })
    })
    const url = Object.assign(new URL(database.url), { hostname: '127.0.0.1', port: String(proxy.port) }).href

    const start = async (): Promise<Running> => {
      const child = fork(path.join(import.meta.dirname, 'collector-process.ts'), {
        execArgv: ['--import=tsx'],
        env: { ...process.env, DATABASE_URL: url, DATA_DIR: dataDir, LOG_LEVEL: 'silent', RATE_LIMIT_COLLECT: '0' },
      })
      const [message] = (await once(child, 'message')) as [{ port: number }]
      return { child, port: message.port }
    }

    const acknowledged = new Set<string>()
    /** Requests without an answer: their senders try again, with the same key, when the server is back. */
    const unanswered = new Map<string, string>()
    let created = 0
    const nextRequest = (): [key: string, body: string] => {
      const [retry] = unanswered
      if (retry && random() < 0.5) return retry
      const key = `k${created++}`
      return [
        key,
        JSON.stringify({
          batchId: key,
          visitorId: 'v',
          events: [0, 1, 2].map((n) => ({ eventType: 'killed', key, n })),
        }),
      ]
    }
    const send = async (port: number, stopped: () => boolean): Promise<void> => {
      while (!stopped()) {
        const [key, body] = nextRequest()
        unanswered.set(key, body)
        const answer = await fetch(`http://127.0.0.1:${port}/collect`, { method: 'POST', body }).catch(() => undefined)
        await answer?.arrayBuffer().catch(() => undefined)
        if (answer?.status !== 200) continue
        acknowledged.add(key)
        unanswered.delete(key)
      }
    }

    for (let run = 0; run < runs; run++) {
      const { child, port } = await start()
      let dead = false
      const sending = Array.from({ length: senders }, () => send(port, () => dead))
      const before = acknowledged.size
      // Every third run the database goes away first, so that the spool is what is killed.
      if (run % 3 === 2) {
        await until('some answers', () => acknowledged.size > before + 20)
        proxy.cut()
      }
      const wanted = acknowledged.size + Math.floor(random() * 300)
      await until('enough answers', () => acknowledged.size >= wanted)
      child.kill('SIGKILL')
      dead = true
      await once(child, 'exit')
      await Promise.all(sending)
      proxy.mend()
    }

    const last = await start()
    await until('the spool to be empty', async () => {
      const health = await fetch(`http://127.0.0.1:${last.port}/health`)
      return ((await health.json()) as { status: string }).status === 'healthy'
    })
    last.child.kill('SIGTERM')
    const [code] = await once(last.child, 'exit')
    t.equal(code, 0, 'and it still stops in order')

    const stored = await database.db.query<{ key: string; rows: number; numbers: number }>(
      `select raw_event_data ->> 'key' as key, count(*) as rows, count(distinct raw_event_data ->> 'n') as numbers
     from events_log group by 1`,
    )
    const storedKeys = new Set(stored.map((row) => row.key))
    t.same(
      [...acknowledged].filter((key) => !storedKeys.has(key)),
      [],
      'nothing acknowledged is lost',
    )
    t.same(
      stored.filter((row) => row.rows !== 3 || row.numbers !== 3),
      [],
      'nothing is stored twice or in part',
    )
    const [ledger] = await database.db.query(
      'select (select sum(events) from batches)::int = (select count(*) from events_log)::int as equal, (select count(*) from batches where spooled) > 0 as spooled',
    )
    t.same(ledger, { equal: true, spooled: true })
    t.comment(`${acknowledged.size} requests acknowledged, ${stored.length} stored, ${unanswered.size} never answered`)
  },
)
