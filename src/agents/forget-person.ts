import type { Db, Tx } from '../db.ts'
import { finishErasure, selectErasures } from '../erasures.ts'
import type { Log } from '../log.ts'
import { shortId } from './clip.ts'
import { userKey, visitorKeyOfId } from './read-event.ts'
import { customerKey } from './segments.ts'

/**
 * Works off the requests to forget somebody: their sessions, what identified them, what they said, their profile and the
 * facts about them. Figures about many stay: they name nobody. Call it when everything is read, so that nothing of them
 * comes after it. Resolves to how many were done.
 */
export const forgetPersons = async ({ db, log }: { db: Db; log: Log }): Promise<number> => {
  const erasures = await selectErasures(db, 'agents')
  for (const { erasureId, subject } of erasures) {
    const [visitors, users] = [subject.visitors.map(visitorKeyOfId), subject.users.map(shortId)]
    const rows = await db.transaction((tx) => forgetPerson(tx, visitors, users))
    await finishErasure(db, erasureId, 'agents')
    log.info({ erasure: erasureId, rows }, 'the agents have forgotten a person')
  }
  return erasures.length
}

/**
 * The sessions of these users; of these visitors all, or, where users are named, only those without another user: a shared
 * device has several.
 */
const forgetPerson = async (tx: Tx, visitors: readonly string[], users: readonly string[]): Promise<number> => {
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
  const customers = users.map(customerKey)
  rows += await tx.execute(`delete from reports where kind = 'customer' and key = any($1::text[])`, [customers])
  rows += await tx.execute(`delete from facts where dims ->> 'customer' = any($1::text[])`, [customers])
  return rows
}
