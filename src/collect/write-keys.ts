import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { Secret } from '../secret.ts'

export type WriteKeys = {
  /** The key of `Authorization: Basic` (as the user name) or `Bearer`, or of `?writeKey=`. */
  inHeader(request: FastifyRequest): string | undefined
  /** Throws `unauthorized` unless it is one of the keys; answers it. */
  require(key: string | undefined): string
}

export const createWriteKeys = (configured: Secret | undefined): WriteKeys => {
  const keys = (configured?.reveal() ?? '').split(',').map((key) => key.trim())
  // By hash: a look-up by the key itself would tell by its time how much of a guess is right.
  const hashes = new Set(keys.filter((key) => key !== '').map(hashOf))
  return {
    inHeader(request) {
      const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(/\s+/, 2)
      if (/^basic$/i.test(scheme)) return Buffer.from(value, 'base64').toString('utf8').split(':')[0] || undefined
      if (/^bearer$/i.test(scheme)) return value || undefined
      const { writeKey } = request.query as { writeKey?: unknown }
      return typeof writeKey === 'string' ? writeKey : undefined
    },
    require(key) {
      if (key === undefined || !hashes.has(hashOf(key)))
        throw new AppError('unauthorized', 'Send a write key of WRITE_KEYS, as the user name of Basic authorization.')
      return key
    },
  }
}

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
