import t from 'tap'
import type { Clock } from '../../src/clock.ts'
import type { Queryable } from '../../src/db.ts'
import { createPace } from '../../src/export/pace.ts'

const block = Buffer.alloc(1 << 18)

/** Reads so many blocks at a pace; answers how long that took by the clock, which only sleep and `tick` move. */
const timeOf = async (
  blocks: number,
  arriving: () => number,
  tick: (clock: { ms: number }, n: number) => void = () => {},
): Promise<{ slept: number; asked: number }> => {
  const at = { ms: 1_000_000_000 }
  let slept = 0
  let asked = 0
  const clock: Clock = {
    now: () => at.ms,
    async sleep(ms) {
      slept += ms
      at.ms += ms
    },
  }
  const db = {
    async query() {
      asked++
      return [{ bytes: arriving() }]
    },
  } as unknown as Queryable
  const source = async function* (): AsyncGenerator<Buffer> {
    for (let n = 0; n < blocks; n++) {
      tick(at, n)
      yield block
    }
  }
  let read = 0
  for await (const one of createPace(db, clock)(source())) read += one.length
  t.equal(read, blocks * block.length)
  return { slept, asked }
}

t.test('rows come as fast as they can while no event comes in', async (t) => {
  t.strictSame(await timeOf(400, () => 0), { slept: 0, asked: 1 })
})

t.test('while events come in, 16 MB a second, or 12 times their bytes where that is more', async (t) => {
  // 100 MB at 16 MiB a second, and at 20 MB a second of arrivals, which is 240 MB.
  t.ok(Math.abs((await timeOf(400, () => 1_000)).slept - 6_250) < 50)
  t.ok(Math.abs((await timeOf(400, () => 20_000_000)).slept - 437) < 50)
})

t.test('a clock that is set back by an hour does not hold the rows for an hour', async (t) => {
  const { slept, asked } = await timeOf(
    400,
    () => 1_000,
    (at, n) => {
      if (n === 200) at.ms -= 3_600_000
    },
  )
  t.ok(slept < 10_000, `${slept} ms`)
  t.ok(asked > 1 && asked < 20, `asked ${asked} times`)
})

t.test('an answer that does not come costs no rows', async (t) => {
  const { slept } = await timeOf(400, () => {
    throw new Error('too many connections')
  })
  t.ok(slept > 0 && slept < 10_000, `${slept} ms`)
})
