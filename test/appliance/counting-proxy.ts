import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy to a port of this machine that counts the connections it was asked for. */
export const countingProxy = async (
  t: { teardown(fn: () => unknown): void },
  target: number,
): Promise<{ port: number; connections(): number }> => {
  let count = 0
  const open = new Set<Socket>()
  const server = createServer((near) => {
    count++
    const far = connect(target, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        open.delete(one)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { port: (server.address() as { port: number }).port, connections: () => count }
}
