import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import tls from 'node:tls'
import type { Config } from '../config.ts'
import { diskOf } from '../disk.ts'
import { messageOf } from '../errors.ts'
import { atLeast, type Check, fail, ok, skipped, warn } from './check.ts'

const dayMs = 86_400_000
const answerMsMax = 10_000
/** A clock that is off by more than this much gives events wrong times; S3 refuses requests beyond 15 minutes. */
const skewMs = { warn: 2_000, fail: 60_000 }
const spoolMsMax = 10 * 60_000

export const checkDisk = async ({ DATA_DIR }: Config): Promise<Check> => {
  const disk = await diskOf(DATA_DIR).catch(() => undefined)
  if (!disk) return fail('disk', `${DATA_DIR} is not there`, 'Set DATA_DIR to where the server keeps its files.')
  const { freePercent } = disk
  return atLeast(
    'disk',
    freePercent,
    { warn: 20, fail: 10 },
    `${Math.round(freePercent)} % free`,
    'See what waits by evothesis export status; else give the machine a larger disk.',
  )
}

/** Events that wait on the disk, because the database is or was away. */
export const checkSpool = async ({ DATA_DIR }: Config, nowMs: number): Promise<Check> => {
  const root = path.join(DATA_DIR, 'spool')
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  let [bytes, oldestMs] = [0, nowMs]
  for (const entry of entries.filter((one) => one.isFile() && one.name.endsWith('.spool'))) {
    const found = await stat(path.join(entry.parentPath, entry.name)).catch(() => undefined)
    if (!found) continue
    bytes += found.size
    oldestMs = Math.min(oldestMs, found.birthtimeMs)
  }
  if (bytes === 0) return ok('spool', 'empty')
  const found = `${bytes} bytes since ${Math.round((nowMs - oldestMs) / 60_000)} minutes`
  if (nowMs - oldestMs < spoolMsMax) return ok('spool', found)
  return warn('spool', found, 'Events wait for the database; see the log of the collector.')
}

/** Compares with the clock of the first bucket's service, whose answer says its time to the second. */
export const checkClock = async (config: Config, now: () => number): Promise<Check> => {
  const address = config.BACKUP_S3_ENDPOINT ?? config.CLIENT_S3_ENDPOINT ?? awsEndpoint(config)
  if (address === undefined) return skipped('clock', 'no bucket whose service could be asked for the time')
  try {
    const startedMs = now()
    const answer = await fetch(address, { method: 'HEAD', signal: AbortSignal.timeout(answerMsMax) })
    const endedMs = now()
    const toldMs = Date.parse(answer.headers.get('date') ?? '')
    if (Number.isNaN(toldMs)) return skipped('clock', `${new URL(address).host} does not tell the time`)
    // Its second, and the time on the way, may both be part of the difference.
    const offMs = Math.max(0, startedMs - (toldMs + 999), toldMs - endedMs)
    const found = `${(offMs / 1000).toFixed(1)} s off ${new URL(address).host}`
    if (offMs > skewMs.fail) return fail('clock', found, 'See that chrony runs on the machine: chronyc tracking')
    if (offMs > skewMs.warn) return warn('clock', found, 'See that chrony runs on the machine: chronyc tracking')
    return ok('clock', found)
  } catch (error) {
    return warn(
      'clock',
      `${new URL(address).host} did not answer: ${messageOf(error)}`,
      'See that the machine reaches it.',
    )
  }
}

const awsEndpoint = (config: Config): string | undefined => {
  const region = config.BACKUP_S3_BUCKET
    ? config.BACKUP_S3_REGION
    : config.CLIENT_S3_BUCKET
      ? config.CLIENT_S3_REGION
      : undefined
  return region && `https://s3.${region}.amazonaws.com`
}

/** How long the certificate lasts that the world sees at PUBLIC_URL. */
export const checkCertificate = async (config: Config, nowMs: number): Promise<Check> => {
  const url = config.PUBLIC_URL === undefined ? undefined : new URL(config.PUBLIC_URL)
  if (url?.protocol !== 'https:') return skipped('certificate', 'PUBLIC_URL is not set, or not https')
  try {
    const { validTo, issuer } = await certificateOf(url)
    const days = Math.floor((Date.parse(validTo) - nowMs) / dayMs)
    const found = `${days} days left, by ${issuer}`
    const advice = 'See the log of certbot; certificates of your own: evothesis provision rotate tls'
    return atLeast('certificate', days, { warn: 21, fail: 7 }, found, advice)
  } catch (error) {
    return fail(
      'certificate',
      `${url.host}: ${messageOf(error)}`,
      'See that its DNS record points here and that nginx runs.',
    )
  }
}

/** The certificate as it is shown, trusted or not: an expired one must be told of, too. */
const certificateOf = (url: URL): Promise<{ validTo: string; issuer: string }> =>
  new Promise((resolve, reject) => {
    const socket = tls.connect(
      {
        ...{ host: url.hostname, port: Number(url.port || 443), servername: url.hostname },
        ...{ rejectUnauthorized: false, timeout: answerMsMax },
      },
      () => {
        const { valid_to: validTo, issuer } = socket.getPeerCertificate()
        socket.destroy()
        resolve({ validTo, issuer: String(issuer?.O ?? issuer?.CN ?? 'nobody') })
      },
    )
    socket.on('timeout', () => socket.destroy(new Error('no answer')))
    socket.on('error', reject)
  })
