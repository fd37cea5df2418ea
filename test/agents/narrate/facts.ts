import { createHash } from 'node:crypto'
import type { Fact, FactDims, FactMetric, FactUnit } from '../../../src/agents/fact.ts'
import type { NarrativeRequest } from '../../../src/agents/narrative.ts'

type Options = {
  n?: number
  people?: number
  among?: number
  unit?: FactUnit
  dims?: FactDims
  compare?: {
    value: number
    direction: 'up' | 'down' | 'flat'
    n?: number
    basis?: string
    chance?: { low: number; high: number }
  }
  interval?: Fact['interval']
  isPersonal?: true
}

/** A fact as the engine makes them. */
export const factOf = (metric: FactMetric, value: number | null, options: Options = {}): Fact => {
  const { n, people, among, unit = 'count', dims = {}, compare, interval, isPersonal } = options
  const hash = createHash('sha256')
    .update(JSON.stringify([metric, dims, value]))
    .digest('hex')
    .slice(0, 16)
  return {
    ...{
      id: `f_${hash}`,
      metric,
      value,
      unit,
      n: n ?? Math.round(value ?? 0),
      dims,
      method: 'count',
      queryHash: '0'.repeat(16),
    },
    window: { from: '2026-11-19T00:00:00.000Z', to: '2026-11-20T00:00:00.000Z' },
    ...(people !== undefined && { people }),
    ...(among !== undefined && { among }),
    ...(compare && { compare: { n: 40, basis: 'median of the same weekday', ...compare } }),
    ...(interval && { interval }),
    ...(isPersonal && { isPersonal }),
  }
}

export const requestOf = (
  noteId: string,
  facts: readonly Fact[],
  more: Partial<NarrativeRequest> = {},
): NarrativeRequest => ({
  ...{ noteId, subject: 'day', facts },
  plain: { source: 'plain', paragraphs: [[{ kind: 'text', text: `The plain text of ${noteId}.` }]] },
  ...more,
})
