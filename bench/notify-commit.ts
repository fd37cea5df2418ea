import { parseArgs } from 'node:util'
import { systemClock } from '../src/clock.ts'
import { createBatchWatch } from '../src/console/stream/new-batches.ts'
import { createDb } from '../src/db.ts'
import { createTestDatabase } from '../test/support/database.ts'
import { writeResult } from './support/result.ts'

/**
 * What it costs collectors to tell a live stream of their commits: by NOTIFY inside the commit, or not at all while the
 * stream looks at the ledger. Connections commit small batches as fast as they can; medians of several rounds.
 *   node --import=tsx bench/notify-commit.ts [--connections 4] [--seconds 4] [--rounds 5]
 */
const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
  },
})
const [connections, seconds, rounds] = [Number(values.connections), Number(values.seconds), Number(values.rounds)]
const { url, db, close } = await createTestDatabase()
const pool = createDb({ url, applicationName: 'bench', connectionsMax: connections, clock: systemClock })

const round = async (way: 'silent' | 'notify' | 'looked at'): Promise<number> => {
  const endMs = Date.now() + seconds * 1000
  let commits = 0
  const writer = async (): Promise<void> => {
    while (Date.now() < endMs) {
      await pool.transaction(async (tx) => {
        const [row] = await tx.query<{ id: number }>(
          'insert into batches (commit_key, events) values (gen_random_uuid(), 10) returning batch_id as id',
        )
        if (way === 'notify') await tx.query(`select pg_notify('batches', $1::text)`, [row?.id])
        else await tx.query('select $1::text', [row?.id])
      })
      commits++
    }
  }
  const watch = createBatchWatch(db)
  let seen = 0
  const looking = (async () => {
    while (way === 'looked at' && Date.now() < endMs) {
      seen += (await watch.look()).length
      await systemClock.sleep(500)
    }
  })()
  await Promise.all([...Array.from({ length: connections }, writer), looking])
  if (way === 'looked at') {
    await systemClock.sleep(50)
    seen += (await watch.look()).length
    if (seen === 0 || seen > commits) throw new Error(`${seen} of ${commits} batches were seen`)
  }
  await db.execute('truncate batches cascade')
  return commits / seconds
}

const ways = ['silent', 'notify', 'looked at'] as const
const rates = new Map<string, number[]>(ways.map((way) => [way, []]))
await round('silent')
for (let n = 0; n < rounds; n++) for (const way of ways) rates.get(way)?.push(await round(way))
for (const way of ways) {
  const sorted = [...(rates.get(way) ?? [])].sort((a, b) => a - b)
  const all = sorted.map((rate) => rate.toFixed(0)).join(', ')
  console.log(`${way.padEnd(10)} ${sorted[Math.floor(sorted.length / 2)]?.toFixed(0)} commits/s (${all})`)
}
writeResult('notify-commit', { connections, seconds, rounds, commitsPerSecond: Object.fromEntries(rates) })
await pool.close()
await close()
