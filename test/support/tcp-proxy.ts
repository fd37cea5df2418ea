import { createServer, connect as dial, type Socket } from 'node:net'

export type TcpProxy = {
  port: number
  /** Cuts all connections now, and refuses new ones until `mend`. */
  cut(): void
  /** Keeps all connections, and those to come, open and silent in both directions until `mend`. */
  silence(): void
  /** Forwards again. What was sent into the silence stays lost, as on a half-open connection. */
  mend(): void
  /**
   * Cuts a connection when `pattern` passes in the given direction: before the bytes are forwarded, or after. Counts down;
   * resolves when it happened.
   */
  cutAt(direction: 'up' | 'down', pattern: Buffer, when: 'before' | 'after'): Promise<void>
  close(): Promise<void>
}

type Trap = { direction: 'up' | 'down'; pattern: Buffer; when: 'before' | 'after'; sprung: () => void }

/** A TCP proxy between a program and its database that breaks in the ways networks do. */
export const createTcpProxy = async (target: { host: string; port: number }): Promise<TcpProxy> => {
  let mode: 'forward' | 'cut' | 'silent' = 'forward'
  let trap: Trap | undefined
  const sockets = new Set<Socket>()

  const forward = (from: Socket, to: Socket, direction: 'up' | 'down'): void => {
    from.on('data', (chunk: Buffer) => {
      if (mode === 'silent') return
      if (trap?.direction !== direction || !chunk.includes(trap.pattern)) return void to.write(chunk)
      const { when, sprung } = trap
      trap = undefined
      if (when === 'after') to.write(chunk, () => sever(from, to))
      else sever(from, to)
      sprung()
    })
    from.on('error', () => sever(from, to))
    from.on('close', () => {
      if (mode !== 'silent') to.destroy()
      sockets.delete(from)
    })
  }
  const sever = (...ends: Socket[]): void => {
    for (const end of ends) end.destroy()
  }

  const server = createServer((near) => {
    if (mode === 'cut') return void near.destroy()
    const far = dial(target)
    sockets.add(near).add(far)
    forward(near, far, 'up')
    forward(far, near, 'down')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    cut() {
      mode = 'cut'
      sever(...sockets)
    },
    silence() {
      mode = 'silent'
    },
    mend() {
      mode = 'forward'
    },
    cutAt: (direction, pattern, when) =>
      new Promise((sprung) => {
        trap = { direction, pattern, when, sprung }
      }),
    close: () =>
      new Promise((resolve) => {
        sever(...sockets)
        server.close(() => resolve())
      }),
  }
}
