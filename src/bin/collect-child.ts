import replyFrom from '@fastify/reply-from'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { attachBuffer } from '../buffer.ts'
import { systemClock as clock } from '../clock.ts'
import { loadConfig } from '../config.ts'
import { messageOf } from '../errors.ts'
import { createApp, isLocal } from '../http.ts'
import { createLog } from '../log.ts'
import { closeAll } from './close-all.ts'
import { askForOrder, report } from './collect-process.ts'
import { createCollectServices } from './collect-services.ts'
import { forwardUpgrade } from './forward-upgrade.ts'
import { holders } from './holders.ts'
import { listen } from './listen.ts'
import { ensureSecrets } from './secrets.ts'

/** A run that is waited for, or a verification, may take long; as long as nginx waits. */
const answerMsMax = 3_600_000

/** One collector of several on a port. Its parent owns the database and the folder, and answers what is forwarded to it. */
export const serveCollectChild = async (): Promise<number> => {
  // A terminal signals the whole group; the parent says when it is this one's turn. Without its parent it ends at once.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const stop = new Promise<void>((resolve) => process.once('SIGTERM', () => resolve()))
  const closers: (() => unknown)[] = []
  const config = loadConfig()
  const log = createLog(config.LOG_LEVEL)
  let code = 0
  try {
    const { databaseUrl, upstream } = await askForOrder()
    const buffer = attachBuffer(databaseUrl, { clock, applicationName: 'evothesis collect' })
    closers.unshift(() => buffer.close())
    const secrets = ensureSecrets(config)
    const services = createCollectServices({ buffer, config, clock, log, ...secrets, isOneOfSeveral: true })
    closers.unshift(...services.closers)
    const app = createApp({
      log,
      trustProxy: config.TRUST_PROXY,
      answerTheRest: forward,
      ...holders(buffer.db, { clock, ...secrets }),
    })
    closers.unshift(() => app.close())
    services.routes(app)
    void app.register(replyFrom, { base: upstream, undici: { headersTimeout: answerMsMax } })
    // Bodies are passed on unread.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.server.on('upgrade', forwardUpgrade(upstream, { believesProxies: config.TRUST_PROXY !== false }))
    await services.prepare()
    report({ address: await listen(app, config) })
    await stop
  } catch (error) {
    code = 1
    report({ failed: messageOf(error) })
  }
  if (!(await closeAll(closers, log))) code = 1
  process.disconnect()
  return code
}

/** What no route of this process answers goes to the parent, with the sender's address, unless that is this machine. */
const forward = (request: FastifyRequest, reply: FastifyReply): unknown =>
  reply.from(request.raw.url, {
    rewriteRequestHeaders: (
      _request,
      { 'x-forwarded-for': _for, forwarded: _forwarded, 'x-real-ip': _ip, ...headers },
    ) => ({
      ...headers,
      // What the browser asked for: the console tells its own pages from others by it.
      ...{ 'x-forwarded-host': request.host, 'x-forwarded-proto': request.protocol },
      ...(!isLocal(request) && { 'x-forwarded-for': request.ip }),
    }),
  })
