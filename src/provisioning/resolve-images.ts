import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { sshEnvironment } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import type { Client } from './client-schema.ts'
import type { Release } from './release.ts'
import { imageOf } from './render-compose.ts'

const run = promisify(execFile)
const lockName = 'images.lock.yaml'
const lockSchema = z.record(z.string(), z.string().regex(/^sha256:[0-9a-f]{64}$/))

/**
 * Asks the registries, by `docker buildx imagetools`, for the digest of each image, and writes them to `images.lock.yaml` beside
 * client.yaml: from then on the same bytes run whatever happens to a tag. Throws `machine_failed` where one is out of reach.
 */
export const resolveImages = async (
  folder: string,
  client: Client,
  release: Release,
): Promise<Record<string, string>> => {
  const digests: Record<string, string> = {}
  for (const image of namesOf(client, release)) {
    const args = ['buildx', 'imagetools', 'inspect', image, '--format', '{{.Manifest.Digest}}']
    const { stdout } = await run('docker', args, { env: sshEnvironment() }).catch((cause: unknown) => {
      throw new AppError('machine_failed', `The digest of ${image} could not be read: ${messageOf(cause)}`, { cause })
    })
    const digest = lockSchema.safeParse({ [image]: stdout.trim() }).data?.[image]
    if (digest === undefined)
      throw new AppError('machine_failed', `docker told no digest of ${image}, but: ${stdout.trim()}`)
    digests[image] = digest
  }
  const head =
    '# Digests of the images, written by evothesis provision render --resolve. Remove the file to go by tags again.\n'
  writeFileSync(path.join(folder, lockName), `${head}${stringify(digests, { lineWidth: 0 })}`)
  return digests
}

/** The release with the digests of the folder's `images.lock.yaml`, where it has any. Throws `setting_invalid`. */
export const pinnedRelease = (folder: string, client: Client, release: Release): Release => {
  const file = path.join(folder, lockName)
  if (!existsSync(file)) return release
  const lock = lockSchema.safeParse(parse(readFileSync(file, 'utf8')))
  if (!lock.success) throw new AppError('setting_invalid', `${file} is invalid:\n${z.prettifyError(lock.error)}`)
  const pin = (image: string, name: string): string => {
    const digest = lock.data[name]
    return digest === undefined ? image : `${image}@${digest}`
  }
  const { app, web, database, certbot } = release.images
  return {
    ...release,
    images: {
      app: pin(app, imageOf(client, app)),
      web: pin(web, imageOf(client, web)),
      database: pin(database, database),
      certbot: pin(certbot, certbot),
    },
  }
}

/** Images that come from a registry: our own only where the client's file names one. */
const namesOf = (client: Client, { images }: Release): string[] => [
  ...(client.images.registry === undefined ? [] : [imageOf(client, images.app), imageOf(client, images.web)]),
  images.database,
  ...(client.tls.mode === 'letsencrypt' ? [images.certbot] : []),
]
