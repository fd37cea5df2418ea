import http, { type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/**
 * Passes a WebSocket on to another server of this machine, byte by byte. What a proxy says of the sender is passed on where
 * proxies are believed.
 */
export const forwardUpgrade =
  (upstream: string, { believesProxies }: { believesProxies: boolean }) =>
  (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const headers = { ...request.headers }
    for (const name of ['forwarded', 'x-real-ip', 'x-forwarded-for']) delete headers[name]
    if (!believesProxies) for (const name of ['x-forwarded-host', 'x-forwarded-proto']) delete headers[name]
    headers['x-forwarded-for'] = request.socket.remoteAddress
    const passed = http.request(new URL(request.url ?? '/', upstream), { method: 'GET', headers })
    const end = (): void => {
      passed.destroy()
      socket.destroy()
    }
    socket.on('error', end)
    passed.on('error', end)
    passed.on('upgrade', (answer, beyond, ahead) => {
      const lines = answer.rawHeaders.flatMap((name, n) =>
        n % 2 === 0 ? [`${name}: ${answer.rawHeaders[n + 1]}`] : [],
      )
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
      socket.write(ahead)
      beyond.write(head)
      beyond.on('error', end).on('close', end)
      socket.on('close', () => beyond.destroy())
      beyond.pipe(socket).pipe(beyond)
    })
    // Refused: told with its status, and that is all.
    passed.on('response', (answer) => {
      socket.end(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\nConnection: close\r\n\r\n`)
      answer.resume()
    })
    passed.end()
  }
