import { createServer } from 'node:net'

// Below the ports that Linux gives to outgoing connections (net.ipv4.ip_local_port_range begins at 32768): a port that the
// system itself hands out would be taken by the next connection of any test that runs beside.
const [first, end] = [10_240, 32_768]

/** A port of loopback that nobody listens at, for a program that must be told its port before it starts. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = first + Math.floor(Math.random() * (end - first))
    if (await isFree(port)) return port
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
