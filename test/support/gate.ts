import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the gate does with a request to the collector. */
export type Fault =
  | 'pass'
  /** The connection is closed before anything is read. */
  | 'down'
  /** The collector gets and accepts the request, then the connection is reset. */
  | 'reset-after-accept'
  /** The answer is held back until `release()`. */
  | 'slow'
  | { status: number; retryAfter?: string }

export type Gate = {
  url: string
  /** One for all requests, or one that looks at the body. */
  fault: Fault | ((body: string) => Fault)
  /** Bodies of the POSTs that arrived, in order, whatever became of them. */
  bodies: string[]
  /** How many requests are not answered yet. */
  open(): number
  /** How many answers are held back. */
  holds(): number
  release(): void
  close(): Promise<void>
}

/** A door before a collector, where faults are made, and everything that a browser sent is written down. */
export const openGate = async (collectorUrl: string): Promise<Gate> => {
  let held: (() => void)[] = []
  let unanswered = 0
  const server = createServer((incoming, answer) => {
    if (incoming.method === 'POST' && gate.fault === 'down') return void incoming.socket.destroy()
    unanswered++
    answer.on('close', () => unanswered--)
    void readAll(incoming).then((body) => {
      if (incoming.method === 'POST') gate.bodies.push(body)
      const chosen = incoming.method === 'POST' ? gate.fault : 'pass'
      const fault = typeof chosen === 'function' ? chosen(body) : chosen
      if (typeof fault === 'object') return refuse(incoming, answer, fault)
      forward(collectorUrl, incoming, body, (status, headers, text) => {
        const reply = () => answer.writeHead(status, headers).end(text)
        if (fault === 'reset-after-accept') incoming.socket.resetAndDestroy()
        else if (fault === 'slow') held.push(reply)
        else reply()
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const gate: Gate = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: 'pass',
    bodies: [],
    holds: () => held.length,
    open: () => unanswered,
    release() {
      for (const reply of held) reply()
      held = []
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return gate
}

const readAll = async (incoming: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const refuse = (
  incoming: IncomingMessage,
  answer: ServerResponse,
  fault: { status: number; retryAfter?: string },
): void => {
  answer
    .writeHead(fault.status, {
      'access-control-allow-origin': incoming.headers.origin ?? '*',
      'access-control-expose-headers': 'retry-after',
      ...(fault.retryAfter !== undefined && { 'retry-after': fault.retryAfter }),
    })
    .end()
}

type Answered = (status: number, headers: IncomingMessage['headers'], body: Buffer) => void

const forward = (base: string, incoming: IncomingMessage, body: string, answered: Answered): void => {
  const { host: _host, ...headers } = incoming.headers
  const onward = request(
    new URL(incoming.url ?? '/', base),
    { method: incoming.method ?? 'GET', headers },
    (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const { 'transfer-encoding': _encoding, ...rest } = response.headers
        answered(response.statusCode ?? 502, rest, Buffer.concat(chunks))
      })
    },
  )
  onward.on('error', () => incoming.socket.destroy())
  onward.end(body)
}
