import { z } from 'zod'
import { readRoute } from '../read-route.ts'
import { oneAtATime, visitActs, visitParameters, visitsQuery } from './visits.ts'

const stepsMax = 8
/** `page:/checkout` or `event:purchase`. */
const step = z.string().regex(/^(page:.{1,500}|event:\w{1,100})$/, 'must be page:/path or event:name')

export const funnelRoute = readRoute({
  path: '/api/funnel',
  summary:
    "A funnel of one's own, counted now: how many visits reached each step, in this order. `step` is given once for each.",
  query: z.strictObject({
    ...visitsQuery,
    step: z.preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(step).min(1).max(stepsMax)),
  }),
  answer: z.object({
    visits: z.number(),
    steps: z.array(
      z.object({
        step: z.string(),
        visits: z.number(),
        of_first: z.number().nullable(),
        of_before: z.number().nullable(),
      }),
    ),
  }),
  async read({ db }, query) {
    const parameters = visitParameters(query)
    const wanted = query.step.map((one) => ({ isPage: one.startsWith('page:'), text: one.slice(one.indexOf(':') + 1) }))
    // Statements are made of numbers only; what was asked for travels as parameters.
    const reached = wanted.map(({ isPage }, n) => {
      const is = isPage ? `type = 'pageview' and text = $${7 + n}::text` : `type = $${7 + n}::text`
      return n === 0
        ? `s0 as (select session_id, min(ord) as ord from acts where ${is} group by 1)`
        : `s${n} as (select a.session_id, min(a.ord) as ord from acts a join s${n - 1} b using (session_id)
                      where a.ord > b.ord and ${is} group by 1)`
    })
    const [counted] = await oneAtATime(() =>
      db.query<{ visits: number; steps: number[] }>(
        `with ${[visitActs, ...reached].join(', ')}
       select (select count(*) from visits) as visits,
              jsonb_build_array(${wanted.map((_one, n) => `(select count(*) from s${n})`).join(', ')}) as steps`,
        [...parameters, ...wanted.map(({ text }) => text)],
      ),
    )
    const { visits, steps } = counted ?? { visits: 0, steps: [] }
    return {
      visits,
      steps: query.step.map((one, n) => ({
        ...{ step: one, visits: steps[n] ?? 0 },
        of_first: share(steps[n], steps[0]),
        of_before: n === 0 ? null : share(steps[n], steps[n - 1]),
      })),
    }
  },
})

const share = (part = 0, whole = 0): number | null => (whole === 0 ? null : part / whole)
