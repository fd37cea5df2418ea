import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import { AppError, messageOf } from '../errors.ts'

const releasesFolder = fileURLToPath(new URL('../../provisioning/releases/', import.meta.url))

const version = z.string().regex(/^\d+\.\d+\.\d+$/)
/** A tag that says a version, and the digest once it is known; never `latest`. */
const image = z
  .string()
  .regex(/^[a-z0-9./:-]+:[A-Za-z0-9_.-]*\d[A-Za-z0-9_.-]*(@sha256:[0-9a-f]{64})?$/)
  .refine((name) => !/:latest/.test(name), 'must name a version, not latest')

/**
 * A release: which images run, what the database must be, and what stands in the way of an upgrade to it. A gate is a
 * release that may not be skipped, or a step that a person confirms by `--confirm`.
 */
export const releaseSchema = z.strictObject({
  version,
  /** Releases that may be upgraded to this one directly; none: this is a first release. */
  from: z.array(version),
  breaking: z.boolean(),
  /** What a person must have done or known, each confirmed by its name. */
  gates: z.array(z.strictObject({ name: z.string().regex(/^[a-z0-9-]+$/), text: z.string().min(1) })),
  postgres_major: z.number().int().min(15),
  timescaledb: version,
  images: z.strictObject({ app: image, web: image, database: image, certbot: image }),
})
export type Release = z.infer<typeof releaseSchema>

/** Reads `releases/<version>.yaml`. Throws `setting_invalid` for one that is not there or cannot be read. */
export const loadRelease = (wanted: string, folder = releasesFolder): Release => {
  const file = `${folder.replace(/\/?$/, '/')}${wanted}.yaml`
  if (!existsSync(file))
    throw new AppError(
      'setting_invalid',
      `There is no release ${wanted}; there are: ${listReleases(folder).join(', ')}.`,
    )
  return parseRelease(readFileSync(file, 'utf8'), file)
}

export const parseRelease = (text: string, file: string): Release => {
  try {
    const release = releaseSchema.safeParse(parse(text))
    if (release.success) return release.data
    throw new Error(z.prettifyError(release.error))
  } catch (cause) {
    throw new AppError('setting_invalid', `${file} is invalid: ${messageOf(cause)}`, { cause })
  }
}

/** All releases, oldest first. */
export const listReleases = (folder = releasesFolder): string[] =>
  readdirSync(folder)
    .filter((name) => /^\d+\.\d+\.\d+\.yaml$/.test(name))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort(byVersion)

export const byVersion = (a: string, b: string): number => {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)]
  for (const n of [0, 1, 2]) if (left[n] !== right[n]) return (left[n] ?? 0) - (right[n] ?? 0)
  return 0
}
