import { createHash } from 'node:crypto'
import { z } from 'zod'
import { AppError } from '../errors.ts'
import { exportFormats } from '../types.ts'

const count = z.number().int().nonnegative()
const instant = z.iso.datetime({ precision: 6 })
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
const range = z.object({ min: instant, max: instant }).nullable()

/**
 * Manifest, version 1: the commit of a part. Written last, and the same bytes in every unfiltered destination. Keys are
 * relative to the prefix, so a folder of files can be moved whole. `previous_manifest_sha256` chains the manifests of one
 * node and epoch; the genesis manifest of an epoch names the head it continues in `predecessor`.
 * Times are UTC with microseconds; counts are events unless they say otherwise.
 */
export const manifestSchema = z.object({
  version: z.literal(1),
  client_id: z.string(),
  node_id: z.string(),
  epoch: z.string().regex(/^[0-9a-f]{8}$/),
  part: z.number().int().positive(),
  revision: count,
  supersedes_sha256: sha256Hex.nullable(),
  previous_manifest_sha256: sha256Hex.nullable(),
  predecessor: z
    .object({ node: z.string(), epoch: z.string(), part: count, revision: count, sha256: sha256Hex })
    .nullable(),
  created_at: instant,
  producer: z.string(),
  schema_version: z.number().int().positive(),
  quarantined: z.boolean(),
  /** In a filtered destination only: rows kept and dropped by its rules; kept + dropped + erased = events. */
  filter: z.object({ rules_sha256: sha256Hex, kept: count, dropped: count }).optional(),
  events: count,
  erased: count,
  pageviews: count,
  usage: z.array(
    z.object({ quarter: instant, site: z.string().nullable(), events: count, pageviews: count, erased: count }),
  ),
  received: range,
  occurred: range,
  batches: z.object({ count, min: count, max: count }),
  objects: z.array(
    z.object({
      key: z.string(),
      format: z.enum(exportFormats),
      compression: z.string(),
      rows: count,
      bytes: count,
      sha256: sha256Hex,
    }),
  ),
})
export type Manifest = z.infer<typeof manifestSchema>

/** The manifest's bytes: built once, stored, and never rendered again. */
export const renderManifest = (manifest: Manifest): { text: string; sha256: string } => {
  const text = `${JSON.stringify(manifest, null, 2)}\n`
  return { text, sha256: createHash('sha256').update(text).digest('hex') }
}

/** Reads a manifest from a destination. Throws `verify_failed` naming the key when it is not one. */
export const parseManifest = (text: string, key: string): Manifest => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new AppError('verify_failed', `${key} is not JSON.`, { cause })
  }
  const parsed = manifestSchema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new AppError('verify_failed', `${key} is not a manifest: ${z.prettifyError(parsed.error)}`)
}

/** `2026-11-20T17:00:00.000000Z` of an instant in milliseconds. */
export const microsecondText = (instantMs: number): string => new Date(instantMs).toISOString().replace('Z', '000Z')
