import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a request is answered with; `drop` breaks the connection after the request was stored. */
export type Answer = { status: number; headers?: Record<string, string> } | 'drop'

/**
 * A collector over real HTTP that can be told to misbehave: `answer` decides per request and attempt. It stores like
 * the real one: a request of a known key is a duplicate.
 */
export const startCollector = async (answer: (request: number, attempt: number) => Answer | undefined) => {
  const stored = new Map<string, { eventIds: string[]; userAgent: string | undefined }>()
  const attempts = new Map<string, { request: number; count: number }>()
  const bodies = new Map<string, Set<string>>()
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString('utf8')
    const body = JSON.parse(text)
    const key: string = body.batchId ?? request.headers['idempotency-key']
    const attempt = attempts.get(key) ?? { request: attempts.size, count: 0 }
    attempts.set(key, attempt)
    attempt.count++
    bodies.set(key, (bodies.get(key) ?? new Set()).add(text))
    const planned = answer(attempt.request, attempt.count) ?? { status: 200 }
    const events: { eventId: string }[] = body.events ?? [body]
    const duplicate = stored.has(key)
    if (planned === 'drop' || planned.status === 200)
      stored.set(key, { eventIds: events.map(({ eventId }) => eventId), userAgent: request.headers['user-agent'] })
    if (planned === 'drop') return void request.socket.destroy()
    response.writeHead(planned.status, { 'content-type': 'application/json', ...planned.headers })
    response.end(JSON.stringify({ status: 'success', events_processed: events.length, duplicate, rejected: [] }))
  }
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stored,
    /** How many different bodies each key was sent with. */
    bodies,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
