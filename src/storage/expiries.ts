import { z } from 'zod'
import { AppError } from '../errors.ts'
import { type Destination, readText } from './destination.ts'

/**
 * The record that a part's objects were deleted after EXPORT_RETENTION_DAYS, under `expiries/` and the name of its manifest.
 * Written before the first object is deleted, so that what is missing can be told from what was lost.
 */
const expirySchema = z.strictObject({
  version: z.literal(1),
  /** Key and SHA-256 of the manifest whose objects are gone. */
  manifest: z.string(),
  manifest_sha256: z.string().regex(/^[0-9a-f]{64}$/),
  expired_at: z.string(),
  retention_days: z.number().int().positive(),
})
export type Expiry = z.infer<typeof expirySchema>

export const expiriesPrefix = 'expiries/'
export const expiryKey = (ofManifest: string): string => `${expiriesPrefix}${ofManifest}`

/** Expiry records of a destination, by the SHA-256 of their manifests. Throws `verify_failed` for one that cannot be read. */
export const readExpiries = async (destination: Destination): Promise<Map<string, Expiry>> => {
  const found = new Map<string, Expiry>()
  for await (const { key } of destination.list(expiriesPrefix)) {
    const stream = await destination.read(key)
    if (!stream) continue
    try {
      const expiry = expirySchema.parse(JSON.parse(await readText(stream)))
      found.set(expiry.manifest_sha256, expiry)
    } catch (cause) {
      throw new AppError('verify_failed', `${key} is no expiry record.`, { cause })
    }
  }
  return found
}
