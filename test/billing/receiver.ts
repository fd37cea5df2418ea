import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

/** What a receiver does with one request. */
export type Behaviour =
  | 'accept'
  /** Takes the request and never answers. */
  | 'hang'
  /** Closes the connection before anything is read. */
  | 'reset'
  /** Takes the event, then loses the answer: the sender cannot know, and sends it again. */
  | 'accept-but-reset'
  /** Answers 200 at once, and its body never ends. */
  | 'slow-body'
  | { status: number; headers?: Record<string, string> }

export type Received = { id: string; body: string; contentType: string; signatures: number }

export type Receiver = {
  url: string
  /** Events that the npm verifier accepted, in the order of their arrival, with repetitions. */
  taken: Received[]
  /** Why the verifier refused; must stay empty. */
  refusals: string[]
  requests: number
  /** Answers the behaviour for the n-th request, from 0. */
  behave: (n: number) => Behaviour
  secrets: string[]
  close(): Promise<void>
}

/** A webhook receiver that verifies with the library `standardwebhooks` and fails as it is told. */
export const openReceiver = async (secrets: string[], nowMs: () => number = Date.now): Promise<Receiver> => {
  const server = createServer((request, response) => {
    const behaviour = receiver.behave(receiver.requests++)
    if (behaviour === 'reset') return void request.socket.resetAndDestroy()
    void readAll(request).then((body) => {
      if (typeof behaviour === 'object') return void response.writeHead(behaviour.status, behaviour.headers ?? {}).end()
      take(request, body)
      if (behaviour !== 'hang') answer(behaviour, request, response)
    })
  })
  const take = (request: IncomingMessage, body: string): void => {
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    for (const secret of receiver.secrets) {
      const failure = verify(secret, body, headers, nowMs())
      if (failure !== undefined) receiver.refusals.push(failure)
    }
    receiver.taken.push({
      id: headers['webhook-id'] ?? '',
      body,
      contentType: headers['content-type'] ?? '',
      signatures: (headers['webhook-signature'] ?? '').split(' ').length,
    })
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    taken: [],
    refusals: [],
    requests: 0,
    behave: () => 'accept',
    secrets,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return receiver
}

const answer = (behaviour: Behaviour, request: IncomingMessage, response: ServerResponse): void => {
  if (behaviour === 'accept-but-reset') return void request.socket.resetAndDestroy()
  response.writeHead(200, { 'content-type': 'text/plain' })
  if (behaviour === 'slow-body') response.write('.')
  else response.end('ok')
}

const readAll = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** The library asks the system for the time; a test with a clock of its own lends it that. */
const verify = (secret: string, body: string, headers: Record<string, string>, nowMs: number): string | undefined => {
  const systemNow = Date.now
  Date.now = () => nowMs
  try {
    new Webhook(secret).verify(body, headers)
    return undefined
  } catch (error) {
    return String(error)
  } finally {
    Date.now = systemNow
  }
}
