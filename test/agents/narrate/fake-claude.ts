import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A Messages API on loopback that plays a part. It keeps the raw bytes of every request it got. */
export type Received = {
  method: string
  url: string
  headers: IncomingHttpHeaders
  raw: Buffer
  body: {
    model: string
    system: string
    max_tokens: number
    messages: { role: string; content: string | Block[] }[]
    tools: { name: string; input_schema: unknown }[]
    [name: string]: unknown
  }
}
export type Block = { type: string; [name: string]: unknown }
export type Reply =
  | { status?: number; headers?: Record<string, string>; body: unknown }
  /** Takes the request and never answers. */
  | 'hang'
  /** Answers the headers and half a body, and never the rest. */
  | 'hang in the body'
  | 'reset'
export type Part = (request: Received, index: number) => Reply | Promise<Reply>

export const createFakeClaude = async (part: Part) => {
  const received: Received[] = []
  const failures: unknown[] = []
  let play = part
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      try {
        const raw = Buffer.concat(chunks)
        const { method = '', url = '', headers } = request
        const one: Received = { method, url, headers, raw, body: JSON.parse(raw.toString('utf8')) }
        received.push(one)
        const reply = await play(one, received.length - 1)
        if (reply === 'hang') return
        if (reply === 'reset') {
          request.socket.resetAndDestroy()
          return
        }
        if (reply === 'hang in the body') {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
          response.write('{"type":"message",')
          return
        }
        response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers })
        response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body))
      } catch (error) {
        failures.push(error)
        response.destroy()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    failures,
    play(next: Part): void {
      play = next
      received.length = 0
    },
    close: async (): Promise<void> => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
export type FakeClaude = Awaited<ReturnType<typeof createFakeClaude>>

export const message = (content: Block[], more: object = {}): Reply => ({
  body: {
    ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'claude-haiku-5-5', content },
    ...{ stop_reason: 'end_turn', stop_sequence: null, usage: { input_tokens: 1_000, output_tokens: 200 } },
    ...more,
  },
})
export const toolUse = (name: string, input: unknown, id = 'toolu_1'): Block => ({ type: 'tool_use', id, name, input })
export const callTools = (...blocks: Block[]): Reply => message(blocks, { stop_reason: 'tool_use' })
export const draftReply = (...paragraphs: unknown[][]): Reply =>
  message([
    { type: 'thinking', thinking: 'Let me see.', signature: 'sig' },
    { type: 'text', text: JSON.stringify({ paragraphs: paragraphs.map((pieces) => ({ pieces })) }) },
  ])
export const failed = (
  status: number,
  type: string,
  headers: Record<string, string> = { 'retry-after-ms': '1' },
): Reply => ({
  ...{ status, headers },
  body: { type: 'error', error: { type, message: `the server said ${type}` }, request_id: 'req_1' },
})
/** What the tools answered in the last turn. */
export const toolResults = ({ body }: Received): Block[] => {
  const last = body.messages.at(-1)?.content
  return Array.isArray(last) ? last.filter(({ type }) => type === 'tool_result') : []
}
/** Reads facts once, and then answers as told. */
export const reader =
  (answer: (request: Received, index: number) => Reply): Part =>
  (request, index) =>
    request.body.messages.length === 1
      ? callTools(toolUse('list_facts', { metric: null, after: null }))
      : answer(request, index)
