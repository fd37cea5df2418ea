import { dayMs } from './days.ts'
import { historyOf, type PersonRow, type Propensity, type PropensityTable } from './people.ts'
import { type RfmLimits, type RfmScores, rfmSegmentOf, scoreRfm } from './rfm.ts'
import type { FieldOf } from './segment-file.ts'
import { stages } from './session.ts'
import { type BgNbd, expectedOrders, probabilityAlive } from './statistics/bg-nbd.ts'

/** What is known of all people together, and lets one of them be judged. */
export type Yardstick = {
  untilMs: number
  rfm: RfmLimits | null
  model: BgNbd | null
  propensity: PropensityTable
}
export type Judgement = {
  recencyDays: number
  rfm: RfmScores | null
  rfmSegment: string | null
  /** Null without a repeat order, or without a model. */
  alive: number | null
  /** Orders to be expected within four weeks. */
  expected: number | null
  propensity: Propensity | null
}

const expectedWeeks = 4

export const judgePerson = (row: PersonRow, { untilMs, rfm, model, propensity }: Yardstick): Judgement => {
  const recencyDays = (untilMs - row.last_ms) / dayMs
  const orderDays = row.last_order_ms === null ? null : (untilMs - row.last_order_ms) / dayMs
  const scores =
    rfm && orderDays !== null
      ? scoreRfm(rfm, { recencyDays: orderDays, orders: row.orders, revenue: row.revenue_micros / 1e6 })
      : null
  const history = historyOf(row, untilMs)
  const isRepeat = history !== null && history.x > 0
  return {
    recencyDays,
    rfm: scores,
    rfmSegment: scores && rfmSegmentOf(scores),
    alive: model && isRepeat ? probabilityAlive(model, history) : null,
    expected: model && history ? finite(expectedOrders(model, history, expectedWeeks)) : null,
    propensity: propensity.get(row),
  }
}

const finite = (value: number): number | null => (Number.isFinite(value) && value >= 0 ? value : null)

/** The fields that rules of segments may ask for. */
export const fieldsOfPerson =
  (
    row: PersonRow,
    judged: Judgement,
    { untilMs }: Yardstick,
    traits: ReadonlyMap<string, string> | undefined,
  ): FieldOf =>
  (field) => {
    if (field.startsWith('trait.')) return traits?.get(field.slice('trait.'.length))
    switch (field) {
      case 'visits':
        return row.visits
      case 'pageviews':
        return row.pageviews
      case 'engaged_seconds':
        return row.engaged_ms / 1000
      case 'orders':
        return row.orders
      case 'revenue':
        return row.revenue_micros / 1e6
      case 'days_since_first_visit':
        return (untilMs - row.first_ms) / dayMs
      case 'days_since_last_visit':
        return judged.recencyDays
      case 'days_since_last_order':
        return row.last_order_ms === null ? undefined : (untilMs - row.last_order_ms) / dayMs
      case 'stage':
        return stages[row.stage]
      case 'first_channel':
        return row.first_channel
      case 'last_channel':
        return row.last_channel
      case 'device':
        return row.device
      case 'site':
        return row.sites
      case 'identified':
        return row.person_key.startsWith('user:')
      case 'rfm_segment':
        return judged.rfmSegment ?? undefined
      case 'probability_alive':
        return judged.alive ?? undefined
      case 'propensity':
        return judged.propensity?.share
      default:
        return undefined
    }
  }
