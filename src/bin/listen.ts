import { type AddressInfo, createServer } from 'node:net'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import type { App } from '../http.ts'

/** Looks whether HOST and PORT can be had, before a database is made for nothing. Throws like `listen`. */
export const probePort = ({ HOST: host, PORT: port }: Config): Promise<void> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error) => reject(listenError(error, host, port)))
    probe.listen({ host, port }, () => probe.close(() => resolve()))
  })

/** Listens on HOST and PORT; resolves to the address for people and commands. Throws `port_taken`. */
export const listen = async (app: App, config: Config): Promise<string> => {
  const { HOST: host, PORT: port } = config
  try {
    await app.listen({ host, port })
  } catch (error) {
    throw listenError(error, host, port)
  }
  const bound = (app.server.address() as AddressInfo).port
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${shown}:${bound}`
}

const listenError = (error: unknown, host: string, port: number): unknown => {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'EADDRINUSE')
    return new AppError('port_taken', `PORT ${port} is in use on ${host}; stop what uses it, or set another PORT.`)
  if (code === 'EACCES')
    return new AppError('setting_invalid', `PORT ${port} may not be used by this account; set one above 1023.`)
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new AppError('setting_invalid', `HOST ${host} is not an address of this machine.`)
  return error
}
