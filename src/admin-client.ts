import { readFileSync } from 'node:fs'
import http from 'node:http'
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
    const { status, text } = await request(method, `${server.address}${route}`, token)
    const body = parse(text)
    if (status < 300) return body as T
    const code = body.code !== undefined && body.code in errorCodes ? (body.code as ErrorCode) : 'internal'
    throw new AppError(code, body.detail ?? body.title ?? `${route} answered ${status}.`)
  }
  return { address: server.address, get: (route) => call('GET', route), post: (route) => call('POST', route) }
}

/** Without a time-out: fetch gives up after five minutes, a run may take longer. A server that ends closes the connection. */
const request = (method: string, url: string, token: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const sent = http.request(url, { method, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      answer.on('error', reject)
    })
    sent.on('error', (cause) => {
      reject(new AppError('internal', `The server at ${url} ended the connection: ${cause.message}.`, { cause }))
    })
    sent.end()
  })

const parse = (text: string): { code?: string; detail?: string; title?: string } => {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
