import type { Queryable } from '../db.ts'

/** Who does something, and when: `admin API`, `command line`, `pattern *.example.com`. */
export type Actor = { by: string; nowMs: number }

/** Notes in `audit_log` what somebody decided. Call it in the transaction of the change. */
export const insertAudit = (tx: Queryable, { by, nowMs }: Actor, action: string, subject: string): Promise<number> =>
  tx.execute(
    `insert into audit_log (at, actor, action, subject)
     values (to_timestamp($1::float8 / 1000), $2::text, $3::text, $4::text)`,
    [nowMs, by, action, subject],
  )
