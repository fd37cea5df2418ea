import type { Db } from '../../src/db.ts'

/** What is stored, once that is what was expected, or half a minute later: groups that the spool took are on their way. */
export const selectStored = async (
  db: Db,
  expected: number,
): Promise<{ events: number; distinct: number; batches: number }> => {
  const session = await db.session()
  await session.execute('set statement_timeout = 0')
  try {
    const patienceEnds = performance.now() + 30_000
    for (;;) {
      const [ledger] = await session.query<{ events: number }>(
        'select coalesce(sum(events), 0)::bigint as events from batches',
      )
      if (ledger?.events === expected || performance.now() > patienceEnds) break
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    const [stored] = await session.query<{ events: number; distinct: number; batches: number }>(
      `select count(*) as events, count(distinct event_id) as distinct, (select count(*) from batches) as batches
       from events_log`,
    )
    return stored ?? { events: 0, distinct: 0, batches: 0 }
  } finally {
    session.release()
  }
}
