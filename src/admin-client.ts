import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Config } from './config.ts'
import { AppError, type ErrorCode, errorCodes } from './errors.ts'
import { findServer } from './server-file.ts'

/** Calls the admin API of the server that runs on this DATA_DIR. */
export type AdminClient = {
  address: string
  get<T>(route: string): Promise<T>
  /** Waits for the answer as long as it takes: a run may take many minutes. */
  post<T>(route: string): Promise<T>
}

/** Undefined when no server runs on this DATA_DIR. */
export const findAdminClient = (config: Config): AdminClient | undefined => {
  const server = findServer(config.DATA_DIR)
  if (!server) return undefined
  const token = config.ADMIN_TOKEN?.reveal() ?? readFileSync(path.join(config.DATA_DIR, 'admin-token'), 'utf8').trim()
  const call = async <T>(method: string, route: string): Promise<T> => {
    const response = await fetch(`${server.address}${route}`, { method, headers: { authorization: `Bearer ${token}` } })
    const body = (await response.json().catch(() => ({}))) as { code?: string; detail?: string; title?: string }
    if (response.ok) return body as T
    const code = body.code !== undefined && body.code in errorCodes ? (body.code as ErrorCode) : 'internal'
    throw new AppError(code, body.detail ?? body.title ?? `${route} answered ${response.status}.`)
  }
  return { address: server.address, get: (route) => call('GET', route), post: (route) => call('POST', route) }
}
