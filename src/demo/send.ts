import { setMaxListeners } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Clock } from '../clock.ts'
import { AppError, messageOf } from '../errors.ts'
import { backoffMs } from '../retry.ts'
import type { TrafficRequest } from './requests.ts'

export type SendOptions = {
  /** The collector's base address; `/collect` is appended. */
  url: string
  requests: Iterable<TrafficRequest>
  /** Requests under way at once, each on a connection that is kept. */
  concurrency: number
  clock: Clock
  onProgress?: (eventsAcknowledged: number) => void
  signal?: AbortSignal
}

/** `retries`: answers 429 and 503, and broken connections, after which the same request was sent again. */
export type SendReport = { requests: number; events: number; rejected: number; duplicates: number; retries: number }

/** A collector that is away, restarting or full gets about two minutes. */
const attemptsMax = 20
/** Before anything was acknowledged, an address that takes no connection is rather a wrong one. */
const firstAttemptsMax = 3
const backoff = { firstMs: 100, maxMs: 10_000 }
const retryAfterMsMax = 30_000
const answerMsMax = 30_000
const answerBytesMax = 1_000_000

type Answer = { status: number; retryAfterMs: number | undefined; body: string }

/**
 * Posts requests to a collector until each is acknowledged, over real connections. What is refused for now (429, 503)
 * or lost on the way is sent again with the same key, so that the collector stores it once. Counts what was
 * acknowledged. Throws `request_invalid` when the collector refuses a request for good, `internal` when it stays away.
 */
export const sendTraffic = async (options: SendOptions): Promise<SendReport> => {
  const target = collectAddress(options.url)
  const agentOptions = { keepAlive: true, maxSockets: options.concurrency }
  const agent = target.protocol === 'https:' ? new HttpsAgent(agentOptions) : new Agent(agentOptions)
  const report: SendReport = { requests: 0, events: 0, rejected: 0, duplicates: 0, retries: 0 }
  const requests = options.requests[Symbol.iterator]()
  const stopped = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, stopped.signal]) : stopped.signal
  // Each request under way listens to it.
  setMaxListeners(0, signal)

  /** One lane takes the next request when its last one was acknowledged, so memory holds `concurrency` of them. */
  const lane = async (): Promise<void> => {
    for (let next = requests.next(); !next.done; next = requests.next()) {
      signal.throwIfAborted()
      const answer = await deliver(next.value)
      report.requests++
      report.events += next.value.events.length - answer.rejected.length
      report.rejected += answer.rejected.length
      if (answer.duplicate) report.duplicates++
      options.onProgress?.(report.events)
    }
  }

  const deliver = async (request: TrafficRequest): Promise<{ rejected: unknown[]; duplicate: boolean }> => {
    const body = Buffer.from(JSON.stringify(request.body))
    for (let attempt = 1; ; attempt++) {
      const answer = await post(target, agent, request, body, signal).catch((error: Error) => error)
      signal.throwIfAborted()
      if (!(answer instanceof Error) && answer.status === 200) return acknowledgement(answer.body)
      const reason = answer instanceof Error ? faultOf(answer) : `HTTP ${answer.status} ${answer.body.slice(0, 200)}`
      if (!(answer instanceof Error) && answer.status !== 429 && answer.status !== 503)
        throw new AppError('request_invalid', `${target.href} refused a request: ${reason}`)
      if (answer instanceof Error && report.requests === 0 && attempt >= firstAttemptsMax)
        throw new AppError(
          'internal',
          `No collector answers at ${target.href} (${reason}); start one, or name another.`,
        )
      if (attempt >= attemptsMax)
        throw new AppError('internal', `${target.href} took no request in ${attemptsMax} attempts: ${reason}`)
      report.retries++
      const asked = answer instanceof Error ? undefined : answer.retryAfterMs
      await options.clock.sleep(asked ?? backoffMs(attempt, backoff), signal)
    }
  }

  try {
    await Promise.all(
      Array.from({ length: options.concurrency }, () =>
        lane().catch((error: unknown) => {
          stopped.abort(error)
          throw error
        }),
      ),
    )
    return report
  } finally {
    agent.destroy()
  }
}

/** A name with several addresses fails with an error of errors, which has a code and no message. */
const faultOf = (error: Error): string => messageOf(error) || ((error as NodeJS.ErrnoException).code ?? error.name)

/** Throws `usage_invalid` where `url` is no address of a collector. */
export const collectAddress = (url: string): URL => {
  try {
    const address = new URL(url)
    if (address.protocol === 'http:' || address.protocol === 'https:')
      return new URL(`${address.pathname.replace(/\/$/, '')}/collect`, address)
  } catch {
    // Said below, as for other protocols.
  }
  throw new AppError('usage_invalid', `${url} is no http or https address.`)
}

const post = (
  target: URL,
  agent: Agent,
  { key, userAgent }: TrafficRequest,
  body: Buffer,
  signal: AbortSignal,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': body.length,
      'idempotency-key': key,
      'user-agent': userAgent,
    }
    const start = target.protocol === 'https:' ? httpsRequest : httpRequest
    const outgoing = start(target, { method: 'POST', agent, headers, signal, timeout: answerMsMax }, (incoming) => {
      readAnswer(incoming).then(resolve, reject)
    })
    outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer within ${answerMsMax} ms`)))
    outgoing.once('error', reject)
    outgoing.end(body)
  })

const readAnswer = async (incoming: IncomingMessage): Promise<Answer> => {
  let body = ''
  for await (const chunk of incoming.setEncoding('utf8')) if (body.length < answerBytesMax) body += chunk
  const seconds = Number(incoming.headers['retry-after'])
  const retryAfterMs = Number.isFinite(seconds) ? Math.min(retryAfterMsMax, seconds * 1000) : undefined
  return { status: incoming.statusCode ?? 0, retryAfterMs, body }
}

const acknowledgement = (body: string): { rejected: unknown[]; duplicate: boolean } => {
  try {
    const { rejected, duplicate } = JSON.parse(body) as { rejected?: unknown; duplicate?: unknown }
    return { rejected: Array.isArray(rejected) ? rejected : [], duplicate: duplicate === true }
  } catch {
    throw new AppError('request_invalid', `The answer is not that of a collector: ${body.slice(0, 100)}`)
  }
}
