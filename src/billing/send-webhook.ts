import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { Secret } from '../secret.ts'
import { producerVersion } from '../types.ts'
import { type Address, type Lookup, resolveAddresses } from './public-address.ts'
import { signWebhook } from './signature.ts'

export type Attempt = {
  /** Null when no answer came. */
  status: number | null
  /** Null when the receiver took it: any 2xx. */
  error: string | null
  /** What the receiver asked for in Retry-After, from now, in milliseconds. */
  retryAfterMs: number | null
  durationMs: number
}
export type Sender = (
  target: { url: string; secrets: readonly Secret[] },
  message: { id: string; body: string },
) => Promise<Attempt>

/** Standard Webhooks recommends 15 to 30 s. From the question for the address to the line with the status. */
export const answerMsMax = 20_000
const errorCharsMax = 300

/**
 * Sends one signed message, once. The status decides alone: 2xx is success, all else is failure, and a redirect is not
 * followed (its target was never allowed). The body of an answer is not read, so no receiver can hold us with a slow one.
 * Never throws: what went wrong is in the result.
 */
export const createSender =
  (deps: { clock: Clock; allowPrivate: boolean; lookup?: Lookup; answerMsMax?: number }): Sender =>
  async (target, message) => {
    const { clock } = deps
    const startedMs = clock.now()
    const answered = (attempt: Omit<Attempt, 'durationMs'>): Attempt => ({
      ...attempt,
      durationMs: Math.max(0, clock.now() - startedMs),
    })
    // One limit for all that may hang: resolving, connecting, the handshake, the answer.
    const signal = AbortSignal.timeout(deps.answerMsMax ?? answerMsMax)
    try {
      const url = new URL(target.url)
      const addresses = await until(signal, resolveAddresses(url, deps))
      const timestampSeconds = Math.floor(clock.now() / 1000)
      const headers = {
        'content-type': 'application/cloudevents+json; charset=utf-8',
        'user-agent': `evothesis/${producerVersion}`,
        'webhook-id': message.id,
        'webhook-timestamp': String(timestampSeconds),
        'webhook-signature': signWebhook(target.secrets, { ...message, timestampSeconds }),
      }
      const { status, retryAfter } = await post(url, addresses, headers, message.body, signal)
      const isSuccess = status >= 200 && status < 300
      return answered({
        status,
        error: isSuccess
          ? null
          : `answered ${status}${status >= 300 && status < 400 ? ', redirects are not followed' : ''}`,
        retryAfterMs: retryAfterMs(retryAfter, clock.now()),
      })
    } catch (error) {
      const why = signal.aborted ? `no answer within ${(deps.answerMsMax ?? answerMsMax) / 1000} s` : messageOf(error)
      return answered({ status: null, error: why.slice(0, errorCharsMax), retryAfterMs: null })
    }
  }

const until = <T>(signal: AbortSignal, work: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    work.then(resolve, reject)
  })

const post = (
  url: URL,
  to: readonly Address[],
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; retryAfter: string | undefined }> =>
  new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const request = send(
      url,
      {
        method: 'POST',
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        // The addresses that were checked, whatever the name says now; the name stays in Host, SNI and certificate. Tried in
        // turn: the first may be of a family that this machine has no way to.
        lookup: (_host, options, callback) =>
          options.all ? callback(null, [...to]) : callback(null, to[0]?.address ?? '', to[0]?.family),
        agent: false,
        signal,
      },
      (response) => {
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] })
        response.destroy()
      },
    )
    request.on('error', reject)
    request.end(body)
  })

/** Seconds, or an HTTP date (RFC 9110, 10.2.3). */
export const retryAfterMs = (value: string | undefined, nowMs: number): number | null => {
  if (value === undefined) return null
  if (/^\d{1,9}$/.test(value.trim())) return Number(value.trim()) * 1000
  const at = Date.parse(value)
  return Number.isNaN(at) ? null : Math.max(0, at - nowMs)
}
