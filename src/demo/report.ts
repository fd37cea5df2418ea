import { channels } from './audience.ts'
import { type FunnelCounts, funnelSteps } from './funnel.ts'
import type { PlantedTruth } from './planted.ts'

/** The planted truth as a person reads it. Programs read the same as JSON. */
export const renderPlanted = (planted: PlantedTruth): string =>
  [
    `Traffic of seed ${planted.seed} from ${planted.from} to ${planted.until}`,
    '',
    ...columns([
      ['events', count(planted.events), `in ${count(planted.requests)} requests`],
      ['pageviews', count(planted.pageviews), ''],
      ['sessions', count(planted.sessions), `${count(planted.newAndReturning.returning)} of returning visitors`],
      ['visitors', count(planted.visitors), `${count(planted.identified.visitors)} identified`],
    ]),
    '',
    ...columns([
      ['site', 'events', 'pageviews', ...funnelSteps.map((step) => step.replaceAll('_', ' ')), 'revenue $'],
      ...Object.entries(planted.sites).map(([siteId, site]) => [
        ...[
          siteId,
          count(site.events),
          count(site.pageviews),
          ...site.funnel.map(count),
          money(site.sales.revenueCents),
        ],
      ]),
      [
        'all',
        count(planted.events),
        count(planted.pageviews),
        ...funnelOfAll(planted).map(count),
        money(revenueOfAll(planted)),
      ],
    ]),
    '',
    ...columns([
      ['channel', 'sessions', 'orders, first touch', 'revenue $', 'orders, last touch', 'revenue $'],
      ...channels.map((channel) => {
        const [first, last] = [planted.salesByFirstTouch[channel], planted.salesByLastTouch[channel]]
        const sales = [first, last].flatMap(({ orders, revenueCents }) => [count(orders), money(revenueCents)])
        return [channel, count(planted.sessionsByChannel[channel]), ...sales]
      }),
    ]),
    '',
    ...anomalyLines(planted),
    '',
  ].join('\n')

const anomalyLines = ({ anomaly }: PlantedTruth): string[] => {
  if (!anomaly) return ['No anomaly was planted.']
  const rate = (where: string, { sessions, dropOff }: { sessions: number; dropOff: number }) =>
    `  ${where.padEnd(9)}${(dropOff * 100).toFixed(1)} % of ${count(sessions)} sessions did not go on`
  return [
    `Anomaly: ${anomaly.siteId}, fewer reach ${anomaly.step.replaceAll('_', ' ')}, by ${anomaly.points} points,`,
    `  from ${isoOf(anomaly.startMs)} to ${isoOf(anomaly.endMs)}`,
    rate('inside', anomaly.inside),
    rate('outside', anomaly.outside),
  ]
}

const funnelOfAll = (planted: PlantedTruth): FunnelCounts => {
  const sum: FunnelCounts = [0, 0, 0, 0, 0]
  for (const { funnel } of Object.values(planted.sites))
    for (const [step, n] of funnel.entries()) sum[step] = (sum[step] ?? 0) + n
  return sum
}
const revenueOfAll = (planted: PlantedTruth): number =>
  Object.values(planted.sites).reduce((cents, { sales }) => cents + sales.revenueCents, 0)

const count = (value: number): string => value.toLocaleString('en-US')
const money = (cents: number): string => (cents / 100).toLocaleString('en-US', { minimumFractionDigits: 2 })
const isoOf = (instantMs: number): string => new Date(instantMs).toISOString()

/** Lines of equal width: the first column to the left, numbers to the right. */
const columns = (rows: string[][]): string[] => {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => (row[index] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}
