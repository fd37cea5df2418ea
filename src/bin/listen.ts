import type { AddressInfo } from 'node:net'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import type { App } from '../http.ts'

/** Listens on HOST and PORT; resolves to the address for people and commands. Throws `port_taken`. */
export const listen = async (app: App, config: Config): Promise<string> => {
  const { HOST: host, PORT: port } = config
  try {
    await app.listen({ host, port })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EADDRINUSE')
      throw new AppError('port_taken', `PORT ${port} is in use on ${host}; stop what uses it, or set another PORT.`)
    if (code === 'EACCES')
      throw new AppError('setting_invalid', `PORT ${port} may not be used by this account; set one above 1023.`)
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new AppError('setting_invalid', `HOST ${host} is not an address of this machine.`)
    throw error
  }
  const bound = (app.server.address() as AddressInfo).port
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${shown}:${bound}`
}
