import Anthropic, { APIConnectionError, type Middleware } from '@anthropic-ai/sdk'
import { z } from 'zod'
import type { Log } from '../../log.ts'
import type { Secret } from '../../secret.ts'
import type { Budget } from './budget.ts'

export type ClientOptions = {
  apiKey: Secret
  baseUrl: string | undefined
  log: Log
  /** Of one attempt, until its headers are there; the caller's signal bounds the whole call. */
  timeoutMs: number
  retries: number
  middleware: Middleware[]
  /** A dry run's: takes the request instead of sending it. */
  fetch?: typeof fetch
}

const apiAddress = 'https://api.anthropic.com'

/**
 * A client of the Claude API. Everything that the SDK would else take from the environment is said here: key, address,
 * logs, tracing. Spans go to whatever tracer the process has, without content, and no trace header goes out.
 */
export const createClient = ({
  apiKey,
  baseUrl,
  log,
  timeoutMs,
  retries,
  middleware,
  fetch,
}: ClientOptions): Anthropic =>
  new Anthropic({
    apiKey: apiKey.reveal(),
    baseURL: baseUrl ?? apiAddress,
    webhookKey: null,
    timeout: timeoutMs,
    maxRetries: retries,
    middleware,
    logLevel: 'warn',
    logger: loggerTo(log),
    openTelemetry: { propagation: false, traces: { contentMode: 'metadata_only' } },
    // A redirect would take the key to another host.
    fetchOptions: { redirect: 'error' },
    ...(fetch && { fetch }),
  })

/** The SDK's warnings, without what it passes beside them. */
const loggerTo = (log: Log) => {
  const quiet = (): void => {}
  const warn = (message: string): void => log.warn({}, `Claude API: ${message.slice(0, 200)}`)
  return { error: warn, warn, info: quiet, debug: quiet }
}

/** What the API sent is no message, or too much of one. Trying again would cost the same. */
export class UnusableReply extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UnusableReply'
  }
}

/** A message of a few paragraphs takes some kilobytes. */
const replyBytesMax = 256 * 1024
/** Who asks to wait longer than this is not waited for. */
const waitSecondsMax = 20

const tokens = z.number().int().nonnegative()
const reply = z.looseObject({
  type: z.literal('message'),
  content: z.array(z.looseObject({ type: z.string() })),
  stop_reason: z.string().nullable(),
  usage: z.looseObject({
    input_tokens: tokens,
    output_tokens: tokens,
    cache_creation_input_tokens: tokens.nullish(),
    cache_read_input_tokens: tokens.nullish(),
  }),
})

/**
 * Around every attempt: pays for it in advance, bounds what is read, and notes the usage before anything can throw. A
 * refusal of the budget, and a reply that is no message, end the call; they are never retried.
 */
export const metering =
  (budget: Budget, outputTokens: number): Middleware =>
  async (request, next) => {
    const settle = budget.reserve({ inputBytes: bytesOf(request.body), outputTokens })
    let response: Response
    try {
      response = await next(request)
    } catch (error) {
      settle(null)
      throw error
    }
    if (!response.ok) {
      settle('free')
      return patient(response)
    }
    const text = await readText(response).catch((error: unknown) => {
      settle(null)
      throw error
    })
    const parsed = reply.safeParse(jsonOf(text))
    if (!parsed.success) {
      settle(null)
      throw new UnusableReply('the answer is no message')
    }
    const { usage } = parsed.data
    settle({
      input: usage.input_tokens,
      output: usage.output_tokens,
      cacheWritten: usage.cache_creation_input_tokens ?? 0,
      cacheRead: usage.cache_read_input_tokens ?? 0,
    })
    return new Response(text, { status: response.status, headers: { 'content-type': 'application/json' } })
  }

const bytesOf = (body: unknown): number => (typeof body === 'string' ? Buffer.byteLength(body) : 0)

const readText = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > replyBytesMax) throw new UnusableReply(`the answer is larger than ${replyBytesMax} bytes`)
      chunks.push(chunk)
    }
  } catch (cause) {
    // A connection that ends in the middle of an answer is one that failed, and worth another try.
    throw cause instanceof UnusableReply ? cause : new APIConnectionError({ cause: cause as Error })
  }
  return Buffer.concat(chunks).toString('utf8')
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The SDK waits as long as it is told to; a note does not. */
const patient = (response: Response): Response => {
  const seconds = Number(response.headers.get('retry-after') ?? 0)
  const ms = Number(response.headers.get('retry-after-ms') ?? 0)
  const isShort = seconds <= waitSecondsMax && ms <= waitSecondsMax * 1000
  if (isShort) return response
  const headers = new Headers(response.headers)
  headers.set('x-should-retry', 'false')
  return new Response(response.body, { status: response.status, headers })
}
