import type { Queryable } from './db.ts'

/** Who does something, and when: `admin API`, the name of a token, `command line`, `pattern *.example.com`, `restore`. */
export type Actor = { by: string; nowMs: number }

/**
 * Notes in `audit_log` what somebody did. Call it in the transaction of the change. `subject` and `detail` never name a
 * person whose data it is about.
 */
export const insertAudit = (
  tx: Queryable,
  { by, nowMs }: Actor,
  action: string,
  subject: string,
  detail: object = {},
): Promise<number> =>
  tx.execute(
    `insert into audit_log (at, actor, action, subject, detail)
     values (to_timestamp($1::float8 / 1000), $2::text, $3::text, $4::text, $5::jsonb)`,
    [nowMs, by, action, subject, JSON.stringify(detail)],
  )
