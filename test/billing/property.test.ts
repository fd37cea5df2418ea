import fc from 'fast-check'
import t, { type Test } from 'tap'
import { readDelivered, usageOfManifests } from '../../src/billing/read-delivered.ts'
import { reconcile } from '../../src/billing/reconcile.ts'
import { createBillingService } from '../../src/billing/service.ts'
import { systemClock } from '../../src/clock.ts'
import { createDb, type Db, type Tx } from '../../src/db.ts'
import { silentLog } from '../../src/log.ts'
import { insertBatchIn } from '../support/batches.ts'
import { createTestExporter } from '../support/exporter.ts'
import { seedOf } from '../support/random.ts'
import { approve, createBillingLab } from './lab.ts'
import { createTestClock } from './test-clock.ts'

/** What can happen, in any order. */
type Step =
  /** A transaction writes a batch and stays open: later ones may commit before it. */
  | { do: 'begin'; site: number; day: number; events: number; clicks: number }
  | { do: 'finish'; which: number; commit: boolean }
  /** A group is replayed under a commit key that was stored before. */
  | { do: 'replay' }
  | { do: 'export'; kill: boolean }
  | { do: 'bill'; kill: boolean }
  /** Batches that are delivered everywhere leave the buffer, some of them. */
  | { do: 'collapse'; odd: boolean }
  | { do: 'days'; days: number }

const sites = ['a.com', 'shop.a.com', 'b.org', 'unapproved.net', 'localhost', '']
const billedSites = ['a.com', 'shop.a.com', 'b.org']
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('begin' as const),
      site: fc.nat(sites.length - 1),
      day: fc.nat(75),
      events: fc.integer({ min: 1, max: 40 }),
      clicks: fc.nat(5),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('finish' as const), which: fc.nat(), commit: fc.nat(4).map((n) => n > 0) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'replay' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('export' as const), kill: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('bill' as const), kill: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('collapse' as const), odd: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('days' as const), days: fc.integer({ min: 1, max: 40 }) }) },
)
const firstDayMs = Date.parse('2026-09-01T12:00:00Z')
const dayMs = 24 * 3600_000
const numRuns = process.env.STORM ? 60 : 5

type Counts = { events: number; pageviews: number }
/** The slow reference: what was committed, one by one, per month and site. */
type Expected = Map<string, Counts>

t.test('statements = ledger = manifests, per site, whatever was killed, replayed or overtaken', async (t) => {
  t.setTimeout(1_200_000)
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 45 }), async (steps) => {
      await t.test(`${steps.length} steps`, (t) => live(t, steps))
      return t.counts.fail === 0
    }),
    // A failing run is printed with its seed; shrinking would repeat it hundreds of times.
    { numRuns, seed: seedOf(t), endOnFailure: true },
  )
})

const live = async (t: Test, steps: readonly Step[]): Promise<void> => {
  t.setTimeout(120_000)
  const clock = createTestClock(firstDayMs)
  const lab = await createBillingLab(t, {}, clock)
  await approve(lab, 'a.com', 'b.org')
  await makeChunks(lab.db)
  const killable = createDb({ url: lab.url, applicationName: 'killable', connectionsMax: 6, clock: systemClock })
  const { exporter, destinations, close: closeExporter } = createTestExporter(killable, lab.env)
  const billing = createBillingService({
    ...{ db: killable, config: lab.config, clock, log: silentLog, adminToken: '', destinations },
  })
  t.teardown(async () => {
    await billing.close()
    await closeExporter()
    await killable.close()
  })
  const expected: Expected = new Map()
  const open: { finish(commit: boolean): Promise<void> }[] = []

  const begin = async ({ site, day, events, clicks }: Extract<Step, { do: 'begin' }>): Promise<void> => {
    const atMs = firstDayMs + day * dayMs
    const rows = Array.from({ length: events }, (_, n) => ({
      ...{ site_id: sites[site] ?? '', created_at: new Date(atMs).toISOString().replace('Z', '000Z') },
      event_type: n < clicks ? 'click' : 'pageview',
    }))
    let decide: (commit: boolean) => void = () => {}
    const decided = new Promise<boolean>((resolve) => {
      decide = resolve
    })
    let inserted: () => void = () => {}
    const isInserted = new Promise<void>((resolve) => {
      inserted = resolve
    })
    const done = lab.db
      .transaction(async (tx) => {
        await insertBatchIn(tx, rows)
        inserted()
        if (!(await decided)) throw new Error('killed')
      })
      .then(
        () => add(expected, new Date(atMs).toISOString().slice(0, 7), sites[site] ?? '', rows),
        () => undefined,
      )
    await isInserted
    open.push({
      finish: (commit) => {
        decide(commit)
        return done
      },
    })
  }

  /** Fills the pool. A connection that an earlier kill cut is noticed here, and replaced. */
  const connectAll = async (): Promise<void> => {
    for (let isWhole = false; !isWhole; ) {
      const asked = Array.from({ length: 6 }, () => killable.query('select pg_sleep(0.01)'))
      isWhole = (await Promise.allSettled(asked)).every((one) => one.status === 'fulfilled')
    }
  }
  /** Everything that the killed one had open is cut, in the midst of whatever it did. */
  const kill = () =>
    lab.db.query(`select pg_terminate_backend(pid) from pg_stat_activity
                  where application_name = 'killable' and datname = current_database()`)
  const perhapsKilled = async (work: () => Promise<unknown>, isKilled: boolean): Promise<void> => {
    // All connections stand before the kill, so that it meets work and not a handshake.
    if (isKilled) await connectAll()
    const running = work().catch((error: unknown) => {
      if (!isKilled) throw error
    })
    if (isKilled) await kill()
    await running
    if (isKilled) await connectAll()
  }

  for (const one of steps) {
    // Eight connections hold a transaction each at most; the test needs two.
    if (one.do === 'begin' && open.length < 6) await begin(one)
    if (one.do === 'finish') await open.splice(one.which % Math.max(1, open.length), 1)[0]?.finish(one.commit)
    if (one.do === 'replay') await replay(lab.db.transaction)
    if (one.do === 'export') await perhapsKilled(() => exporter.run(), one.kill)
    if (one.do === 'bill') await perhapsKilled(() => billing.runOnce(), one.kill)
    if (one.do === 'collapse')
      await lab.db.execute(
        `delete from batches where batch_id % 2 = $1::int and part_id in (
           select part_id from export_parts p where manifest is not null
             and not exists (select from deliveries d where d.part_id = p.part_id and state <> 'verified'))`,
        [one.odd ? 1 : 0],
      )
    if (one.do === 'days') clock.advance(one.days * dayMs)
  }
  for (const { finish } of open) await finish(true)
  await exporter.run()
  clock.set(Math.max(clock.now(), Date.parse('2027-02-01T00:00:00Z')))
  await billing.runOnce()
  await lab.billing.runOnce()

  const latest = new Map((await lab.statements()).map((one) => [one.month, one]))
  const billed: Expected = new Map()
  for (const { month, sites: listed } of latest.values())
    for (const { site, events, pageviews } of listed) billed.set(`${month} ${site}`, { events, pageviews })
  t.strictSame(
    sorted(billed),
    sorted(expected, (site) => billedSites.includes(site)),
    'statements',
  )

  const ledger = await lab.db.query<Counts & { key: string }>(
    `select to_char(quarter, 'YYYY-MM') || ' ' || site_id as key, sum(events)::int as events, sum(pageviews)::int as pageviews
     from usage_quarters group by 1`,
  )
  t.strictSame(sorted(new Map(ledger.map(({ key, ...counts }) => [key, counts]))), sorted(expected), 'ledger')
  for (const destination of destinations) {
    const { manifests, differences } = await readDelivered(destination)
    const delivered: Expected = new Map()
    for (const { site, quarterMs, events, pageviews } of usageOfManifests(manifests, { startsMs: 0, endsMs: 2 ** 52 }))
      addCounts(delivered, `${new Date(quarterMs).toISOString().slice(0, 7)} ${site}`, { events, pageviews })
    t.strictSame(sorted(delivered), sorted(expected), `manifests in ${destination.name}`)
    t.strictSame(differences, [])
  }

  // $0.01 per 1,000 events: 10 micro-dollars each. All that was charged, and what is still to be charged, is all there is.
  const all = await lab.statements()
  const first = all.filter((one) => one.revision === 1)
  const deltas = all.flatMap((one) => (one.delta ? [{ ...one.delta, name: `${one.month}.r${one.revision}` }] : []))
  const charged = new Set(first.flatMap((one) => one.adjustments.map((each) => `${each.month}.r${each.revision}`)))
  const owed = deltas.filter((one) => !charged.has(one.name)).reduce((sum, one) => sum + BigInt(one.amount_micros), 0n)
  const paid = first.reduce((sum, one) => sum + BigInt(one.total_micros), 0n)
  const events = sorted(expected, (site) => billedSites.includes(site)).reduce((sum, [, one]) => sum + one.events, 0)
  t.equal(paid + owed, BigInt(events) * 10n, 'money')
  t.ok(
    deltas.every((one) => one.events > 0 || one.amount_micros === '0'),
    'never negative',
  )
  for (const month of latest.keys()) {
    const deps = { db: lab.db, clock, destinations, clientId: 'acme', nodeId: 'n1', timeZone: 'UTC' }
    t.match(await reconcile(deps, month), { differences: [], pending: [] }, month)
  }
}

/**
 * TimescaleDB makes a chunk in the transaction that first needs it, and another one that needs it, too, waits for its end.
 * The collector's transactions are short; these stay open until the test closes them, so the chunks are there before.
 */
const makeChunks = async (db: Db): Promise<void> => {
  await db.execute(
    `insert into events_log (batch_id, n, stored_at, event_id, event_type, "timestamp", raw_event_data, created_at)
     select 0, 0, at, gen_random_uuid(), 'none', at, '{}', at from (values (now()), (now() + interval '6 hours')) as a(at)`,
  )
  await db.execute('delete from events_log where batch_id = 0')
}

const replay = (transaction: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>): Promise<void> =>
  transaction(async (tx) => {
    const [row] = await tx.query<{ key: string }>('select commit_key as key from batches limit 1')
    if (!row) return
    const stored = await tx.execute(
      'insert into batches (commit_key, events) values ($1::uuid, 1000) on conflict (commit_key) do nothing',
      [row.key],
    )
    if (stored > 0) throw new Error('A replay was stored.')
  })

const add = (expected: Expected, month: string, site: string, rows: readonly { event_type: string }[]): void =>
  addCounts(expected, `${month} ${site}`, {
    events: rows.length,
    pageviews: rows.filter((row) => row.event_type === 'pageview').length,
  })

const addCounts = (sums: Expected, key: string, counts: Counts): void => {
  const known = sums.get(key) ?? { events: 0, pageviews: 0 }
  sums.set(key, { events: known.events + counts.events, pageviews: known.pageviews + counts.pageviews })
}

const sorted = (counts: Expected, isWanted: (site: string) => boolean = () => true): [string, Counts][] =>
  [...counts].filter(([key]) => isWanted(key.slice(8))).sort(([a], [b]) => (a < b ? -1 : 1))
