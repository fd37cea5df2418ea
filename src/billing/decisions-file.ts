import { z } from 'zod'
import { AppError } from '../errors.ts'
import { sha256OfText } from '../storage/sha256.ts'
import type { DomainRow } from './domains.ts'

const decisionsSchema = z.object({
  version: z.literal(1),
  client_id: z.string(),
  node_id: z.string(),
  domains: z.array(
    z.object({
      domain: z.string().max(253),
      state: z.enum(['approved', 'blocked']),
      decided_at: z.iso.datetime(),
      decided_by: z.string().max(200),
    }),
  ),
})
export type DecisionsFile = z.infer<typeof decisionsSchema>

/** The approved and blocked domains of a node, as a file; undefined when nothing is decided. */
export const renderDecisions = (
  identity: { clientId: string; nodeId: string },
  rows: readonly DomainRow[],
): { text: string; sha256: string; decidedMs: number } | undefined => {
  const domains = rows.flatMap(({ domain, state, decidedAt, decidedBy }) =>
    (state === 'approved' || state === 'blocked') && decidedAt !== null
      ? [{ domain, state, decided_at: decidedAt, decided_by: decidedBy ?? '' }]
      : [],
  )
  if (domains.length === 0) return undefined
  const file: DecisionsFile = { version: 1, client_id: identity.clientId, node_id: identity.nodeId, domains }
  const text = `${JSON.stringify(file, null, 2)}\n`
  return { text, sha256: sha256OfText(text), decidedMs: Math.max(...domains.map((one) => Date.parse(one.decided_at))) }
}

/** Throws `verify_failed`, naming the key. */
export const parseDecisions = (text: string, key: string): DecisionsFile => {
  try {
    return decisionsSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new AppError('verify_failed', `${key} is no list of domains.`, { cause })
  }
}
