import { z } from 'zod'
import { cursorOf, isoText, next, paged, readCursor, readRoute } from '../read-route.ts'

const entry = z.object({
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  subject: z.string().nullable(),
  detail: z.unknown(),
})

export const auditRoute = readRoute({
  path: '/api/audit',
  summary: 'Who did what, the newest first.',
  role: 'client',
  query: z.strictObject({
    ...paged,
    action: z.string().max(40).optional().describe('Only those that begin so, such as `privacy.`.'),
  }),
  answer: z.object({ rows: z.array(entry), next }),
  async read({ db }, { after, limit, action }) {
    const [from] = readCursor(after, z.tuple([z.number().int()])) ?? [null]
    const rows = await db.query<z.infer<typeof entry> & { id: number }>(
      `select audit_id as id, ${isoText('at')} as at, actor, action, subject, detail from audit_log
       where ($1::bigint is null or audit_id < $1::bigint) and starts_with(action, $3::text)
       order by audit_id desc limit $2::int`,
      [from, limit, action ?? ''],
    )
    const last = rows.at(-1)
    return {
      rows: rows.map(({ id: _id, ...row }) => row),
      next: last && rows.length === limit ? cursorOf([last.id]) : null,
    }
  },
})
