import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from './errors.ts'

/** Over TLS a browser takes the cookie from this very host only, by its prefix; without TLS there is no such cookie. */
const nameOf = ({ protocol }: FastifyRequest): string =>
  protocol === 'https' ? '__Host-evothesis' : 'evothesis_console'

/** A header that no other site can make a browser send without being asked first, which nobody answers here. */
export const consoleHeader = 'x-evothesis-console'

/** The session that a browser sends; undefined without one. */
export const sessionCookieOf = (request: FastifyRequest): string | undefined => {
  const wanted = `${nameOf(request)}=`
  const found = (request.headers.cookie ?? '').split(';').find((one) => one.trim().startsWith(wanted))
  return found?.trim().slice(wanted.length)
}

/** Sets the session, or with null takes it away. Scripts cannot read it, and no other site makes a browser send it. */
export const setSessionCookie = (
  request: FastifyRequest,
  reply: FastifyReply,
  session: { value: string; seconds: number } | null,
): void => {
  const secure = request.protocol === 'https' ? '; Secure' : ''
  const { value, seconds } = session ?? { value: '', seconds: 0 }
  void reply.header(
    'set-cookie',
    `${nameOf(request)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`,
  )
}

/**
 * A cookie counts only for requests of our own pages: browsers say where a request comes from, and what changes something
 * needs our header as well (OWASP, Cross-Site Request Forgery Prevention). Throws forbidden.
 */
export const requireOwnPage = (request: FastifyRequest): void => {
  const { origin, 'sec-fetch-site': from, [consoleHeader]: ours } = request.headers
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const isOwn =
    from !== undefined ? from === 'same-origin' || (isRead && from === 'none') : !origin || isOurs(origin, request.host)
  if (!isOwn) throw new AppError('forbidden', 'A session of the console counts for its own pages only.')
  if (!isRead && ours === undefined)
    throw new AppError('forbidden', `A request with a session needs the header ${consoleHeader}: 1.`)
}

/** A proxy may have left the port out. */
const isOurs = (origin: string, host: string): boolean => {
  if (!URL.canParse(origin)) return false
  const sender = new URL(origin)
  return sender.host === host || (!/:\d+$/.test(host) && sender.hostname === host)
}
