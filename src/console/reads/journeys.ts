import { z } from 'zod'
import { readRoute } from '../read-route.ts'
import { oneAtATime, visitActs, visitParameters, visitsMax, visitsQuery } from './visits.ts'

/** Pages of a column that have a name of their own; columns; edges that can be told apart. */
const pagesPerStep = 6
const edgesMax = 60
const linksMax = 60

const node = z.object({
  id: z.string(),
  step: z.number(),
  kind: z.enum(['page', 'other', 'exit']),
  label: z.string().describe('The path, as an event said it; empty for other pages and the end of the visit.'),
  visits: z.number(),
})

export const journeysRoute = readRoute({
  path: '/api/journeys',
  summary: 'The ways of visits: page after page by step (for a Sankey), and which page leads to which (for a graph).',
  query: z.strictObject({ ...visitsQuery, steps: z.coerce.number().int().min(2).max(8).default(5) }),
  answer: z.object({
    visits: z.number().describe(`Those with a pageview; at most ${visitsMax} are looked at, the newest.`),
    nodes: z.array(node),
    edges: z.array(z.object({ from: z.string(), to: z.string(), visits: z.number() })),
    edges_left_out: z.number().describe('Visits of edges that are too thin to be drawn.'),
    links: z.array(z.object({ from: z.string(), to: z.string(), times: z.number() })),
  }),
  async read({ db }, query) {
    const parameters = visitParameters(query)
    type Edge = { step: number; from_kind: Kind; from_label: string; to_kind: Kind; to_label: string; visits: number }
    const [counted] = await oneAtATime(() =>
      db.query<{
        visits: number
        edges: Edge[]
        links: { from: string; to: string; times: number }[]
      }>(
        `with ${visitActs}, pages as (
         select session_id, ord, text as page, lag(text) over (partition by session_id order by ord) as before
         from acts where type = 'pageview' and text is not null
       ), walks as materialized (
         -- a page that is loaded again is no step
         select session_id, page, row_number() over (partition by session_id order by ord) as step,
                lead(page) over (partition by session_id order by ord) as following
         from pages where before is distinct from page
       ), named as materialized (
         select step, page from (
           select step, page, row_number() over (partition by step order by count(*) desc, page collate "C") as rank
           from walks where step <= $7::int group by 1, 2) ranked where rank <= $8::int
       ), moves as (
         select w.step,
                case when f.page is null then 'other' else 'page' end as from_kind, coalesce(f.page, '') as from_label,
                case when following is null then 'exit' when n.page is null then 'other' else 'page' end as to_kind,
                coalesce(n.page, '') as to_label, count(*) as visits
         from walks w left join named f on f.step = w.step and f.page = w.page
              left join named n on n.step = w.step + 1 and n.page = w.following
         where w.step < $7::int or (w.step = $7::int and following is null)
         group by 1, 2, 3, 4, 5
       ), links as (
         select page as "from", following as "to", count(*) as times from walks where following is not null
         group by 1, 2 order by 3 desc, 1, 2 limit $9::int
       )
       select (select count(distinct session_id) from walks) as visits,
              coalesce((select jsonb_agg(m order by visits desc, step, from_label, to_label, from_kind, to_kind) from moves m), '[]') as edges,
              coalesce((select jsonb_agg(l) from links l), '[]') as links`,
        [...parameters, query.steps, pagesPerStep, linksMax],
      ),
    )
    const { visits, edges, links } = counted ?? { visits: 0, edges: [], links: [] }
    return { visits, ...draw(edges), links }
  },
})

type Kind = 'page' | 'other' | 'exit'
type Node = z.infer<typeof node>

/** Nodes by step, kind and label; the same page at another step is another node, so that there is no circle. */
const draw = (
  all: readonly {
    step: number
    from_kind: Kind
    from_label: string
    to_kind: Kind
    to_label: string
    visits: number
  }[],
) => {
  const nodes = new Map<string, Node>()
  const nodeOf = (step: number, kind: Kind, label: string): Node => {
    const key = JSON.stringify([step, kind, label])
    const known = nodes.get(key)
    if (known) return known
    const made: Node = { id: `n${nodes.size + 1}`, step, kind, label, visits: 0 }
    nodes.set(key, made)
    return made
  }
  const edges = all.slice(0, edgesMax).map((edge) => {
    const from = nodeOf(edge.step, edge.from_kind, edge.from_label)
    const to = nodeOf(edge.step + 1, edge.to_kind, edge.to_label)
    from.visits += edge.visits
    to.visits += edge.visits
    return { from: from.id, to: to.id, visits: edge.visits }
  })
  // What flows in is counted once: at the first step by what goes out, later by what comes in.
  const incoming = new Map<string, number>()
  for (const { to, visits } of edges) incoming.set(to, (incoming.get(to) ?? 0) + visits)
  for (const one of nodes.values()) one.visits = incoming.get(one.id) ?? one.visits
  return {
    nodes: [...nodes.values()],
    edges,
    edges_left_out: all.slice(edgesMax).reduce((sum, { visits }) => sum + visits, 0),
  }
}
