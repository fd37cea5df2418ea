import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Queryable } from '../../db.ts'
import { factDimensions } from '../fact.ts'
import { factFormats, type Narrative, type NarrativeRequest } from '../narrative.ts'
import type { Model } from './ask.ts'
import { firstMessage, promptVersion, systemPrompt } from './prompt.ts'
import type { View } from './view.ts'

/** A text that was accepted, or null for facts about which none could be had: neither is paid for twice. */
export type Kept = { readonly narrative: Narrative | null }

const piece = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('text'), text: z.string() }),
  z.strictObject({ kind: z.literal('fact'), factId: z.string(), format: z.enum(factFormats) }),
  z.strictObject({ kind: z.literal('name'), factId: z.string(), dimension: z.enum(factDimensions) }),
])
const narrative = z.strictObject({ paragraphs: z.array(z.array(piece)), source: z.literal('model') })

/** Of all that a text depends on: model, effort, prompt, gate, and the facts with their own ids. */
export const keyOf = ({ name, effort }: Model, subject: NarrativeRequest['subject'], view: View): string =>
  createHash('sha256')
    .update(JSON.stringify([promptVersion, systemPrompt, name, effort, firstMessage(subject, view)]))
    .update(JSON.stringify(view.facts.map(({ fact, line }) => [fact.id, line])))
    .digest('hex')

export const selectKept = async (db: Queryable, keys: readonly string[]): Promise<Map<string, Kept>> => {
  const rows = await db.query<{ key: string; body: string | null }>(
    'select key, body from narratives where key = any($1::text[])',
    [keys],
  )
  const kept = new Map<string, Kept>()
  for (const { key, body } of rows) {
    const read = body === null ? null : narrative.safeParse(JSON.parse(body))
    if (read === null) kept.set(key, { narrative: null })
    else if (read.success) kept.set(key, { narrative: read.data })
  }
  return kept
}

export type KeptRow = {
  key: string
  model: string
  subject: string
  narrative: Narrative | null
  /** Why there is none. */
  reason: string | null
  writtenMs: number
}

export const insertKept = (db: Queryable, row: KeptRow): Promise<number> =>
  db.execute(
    `insert into narratives (key, model, subject, body, reason, written_at)
     values ($1::text, $2::text, $3::text, $4::json, $5::text, $6::timestamptz) on conflict (key) do nothing`,
    [
      ...[row.key, row.model, row.subject, row.narrative && JSON.stringify(row.narrative), row.reason],
      new Date(row.writtenMs).toISOString(),
    ],
  )

/** Texts outlive the reports that they are about by nothing. */
export const deleteKeptBefore = (db: Queryable, beforeMs: number): Promise<number> =>
  db.execute('delete from narratives where written_at < $1::timestamptz', [new Date(beforeMs).toISOString()])
