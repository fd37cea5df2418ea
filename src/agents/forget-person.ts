import type { Db, Queryable, Tx } from '../db.ts'
import { finishErasure, selectErasures } from '../erasures.ts'
import { messageOf } from '../errors.ts'
import type { Log } from '../log.ts'
import { shortId } from './clip.ts'
import { userKey, visitorKeyOfId } from './read-event.ts'
import type { CustomerKey } from './segments.ts'

/** Removes the notes about these customers, after `forgetRows`; nobody else writes notes meanwhile. Throws when it cannot. */
export type ForgetNotes = (customers: readonly string[], forgetRows: () => Promise<void>) => Promise<void>
type ForgetDeps = { db: Db; log: Log; customerKey: CustomerKey; forgetNotes?: ForgetNotes | undefined }

/**
 * Works off the requests to forget somebody: their sessions, what identified them, what they said, their profile, the
 * facts and the notes about them. Figures about many stay: they name nobody. Call it when everything is read, so that
 * nothing of them comes after it. One that cannot be done, because notes are being written or their destination does not
 * answer, is left for the next run. Resolves to how many were done.
 */
export const forgetPersons = async ({ db, log, customerKey, forgetNotes }: ForgetDeps): Promise<number> => {
  let done = 0
  for (const { erasureId, subject } of await selectErasures(db, 'agents')) {
    const [visitors, users] = [subject.visitors.map(visitorKeyOfId), subject.users.map(shortId)]
    const customers = await selectCustomers(db, visitors, users.map(customerKey))
    let rows = 0
    const forgetRows = async (): Promise<void> => {
      rows = await db.transaction((tx) => forgetPerson(tx, visitors, users, customers))
    }
    try {
      // A writer that is under way has read the reports already: it would write what was just removed.
      if (forgetNotes) await forgetNotes(customers, forgetRows)
      else await forgetRows()
    } catch (error) {
      log.warn({ err: error, erasure: erasureId }, `notes about a person are still there: ${messageOf(error)}`)
      continue
    }
    await finishErasure(db, erasureId, 'agents')
    done++
    log.info({ erasure: erasureId, rows }, 'the agents have forgotten a person')
  }
  return done
}

/**
 * Keys of the profiles that name the person: their own, and of whoever used the same browser; and of notes that an earlier
 * try could not remove.
 */
const selectCustomers = async (
  db: Queryable,
  visitors: readonly string[],
  own: readonly string[],
): Promise<string[]> => {
  const sharing = await db.query<{ key: string }>(
    `select key from reports where kind = 'customer' and body::jsonb -> 'visitorIds' ?| $1::text[]
     union select customer from notes where state = 'gone' and customer is not null`,
    [visitors],
  )
  return [...new Set([...own, ...sharing.map(({ key }) => key)])]
}

/**
 * The sessions of these users; of these visitors all, or, where users are named, only those without another user: a shared
 * device has several.
 */
const forgetPerson = async (
  tx: Tx,
  visitors: readonly string[],
  users: readonly string[],
  customers: readonly string[],
): Promise<number> => {
  const persons = users.map(userKey)
  const keys = [...visitors, ...persons]
  let rows = 0
  rows += await tx.execute(
    `delete from sessions where user_id = any($2::text[]) or person_key = any($3::text[])
       or (visitor_key = any($1::text[]) and (cardinality($2::text[]) = 0 or user_id is null))`,
    [keys, users, persons],
  )
  rows += await tx.execute(
    `delete from visitors v
     where (visitor_key = any($1::text[])
            or (site_id, visitor_key) in (select site_id, visitor_key from identities where user_id = any($2::text[])))
       and not exists (select from sessions s where s.site_id = v.site_id and s.visitor_key = v.visitor_key)`,
    [keys, users],
  )
  rows += await tx.execute('delete from orders where visitor_key = any($1::text[])', [keys])
  rows += await tx.execute(
    `delete from identities
     where user_id = any($2::text[]) or (visitor_key = any($1::text[]) and cardinality($2::text[]) = 0)`,
    [keys, users],
  )
  rows += await tx.execute('delete from traits where user_id = any($1::text[])', [users])
  rows += await tx.execute(`delete from reports where kind = 'customer' and key = any($1::text[])`, [customers])
  rows += await tx.execute(`delete from facts where dims ->> 'customer' = any($1::text[])`, [customers])
  // Segments name customers by their keys; they, and profiles that shared a browser, are made anew at night.
  rows += await tx.execute(
    `update reports set sha256 = '', body = jsonb_set(body::jsonb, '{customerKeys}',
       (select coalesce(jsonb_agg(c.customer), '[]') from jsonb_array_elements_text(body::jsonb -> 'customerKeys') as c(customer)
        where c.customer <> all($1::text[])))::json
     where kind = 'segment' and body::jsonb -> 'customerKeys' ?| $1::text[]`,
    [customers],
  )
  await tx.execute(`update notes set state = 'gone' where customer = any($1::text[])`, [customers])
  await tx.execute('update agent_runs set weeks_of = null where weeks_of is not null', [])
  return rows
}
