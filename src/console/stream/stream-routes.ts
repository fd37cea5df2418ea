import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { z } from 'zod'
import { AppError } from '../../errors.ts'
import { type App, requireAdmin, stillHolds } from '../../http.ts'
import type { Hub, Listener, Message } from './hub.ts'

export const streamQuery = z.strictObject({
  site: z.string().max(253).optional(),
  type: z.string().max(200).optional(),
  visitor: z.string().max(512).optional(),
  last_event_id: z.string().max(40).optional().describe('For who cannot send Last-Event-ID.'),
})

/** A connection that has this much on its way is not ready for more. */
const waitingBytesMax = 512_000
/** A sign of life, and a look whether who listens still may. */
const pulseMsDefault = 15_000
/** What browsers send us over a WebSocket is read by nobody. */
const inboundBytesMax = 1_000
/** What is on its way to one that is cut off may still arrive for so long. Who takes nothing would keep it, and us, for ever. */
const farewellMsDefault = 2_000

/** `GET /events/stream` (server-sent events) and the same over WebSocket at `/ws/events`. */
export const streamRoutes = (
  app: App,
  {
    hub,
    adminToken,
    pulseMs = pulseMsDefault,
    farewellMs = farewellMsDefault,
  }: { hub: Hub; adminToken: string; pulseMs?: number; farewellMs?: number },
): void => {
  const guarded = { onRequest: requireAdmin(adminToken), config: { role: 'client' as const } }

  // Not for HEAD: it would never be answered.
  app.get('/events/stream', { ...guarded, exposeHeadRoute: false }, async (request, reply) => {
    const asked = read(request)
    const { raw } = reply
    const listener: Listener = {
      ...asked,
      isReady: () => raw.writableLength < waitingBytesMax,
      send: (messages) => void raw.write(messages.map(frameOf).join('')),
      cut() {
        raw.end()
        afterFarewell(
          () => raw.destroy(),
          (over) => raw.once('close', over),
        )
      },
    }
    await attach(request, listener, {
      begin() {
        reply.hijack()
        raw.writeHead(200, {
          ...{ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' },
          // nginx would gather what is to be seen at once.
          ...{ 'x-accel-buffering': 'no', 'x-content-type-options': 'nosniff' },
        })
        raw.write('retry: 2000\n\n')
      },
      isGone: () => raw.destroyed,
      onGone: (gone) => void raw.on('close', gone).on('error', gone),
      pulse: () => void raw.write(':\n\n'),
    })
    return reply
  })

  void app.register(websocket, { options: { maxPayload: inboundBytesMax } })
  void app.register(async (scope) => {
    scope.get('/ws/events', { ...guarded, websocket: true }, (socket: WebSocket, request) => {
      // The answer to a handshake cannot be a problem document any more.
      const refuse = (error: unknown) => socket.close(1008, error instanceof AppError ? error.code : 'internal')
      try {
        const listener: Listener = {
          ...read(request),
          isReady: () => socket.bufferedAmount < waitingBytesMax,
          send: (messages) => {
            for (const { id = null, event, data } of messages)
              socket.send(`{"id":${JSON.stringify(id)},"event":"${event}","data":${data}}`)
          },
          cut() {
            socket.close(1001)
            afterFarewell(
              () => socket.terminate(),
              (over) => socket.once('close', over),
            )
          },
        }
        attach(request, listener, {
          begin() {},
          isGone: () => socket.readyState !== socket.OPEN,
          onGone: (gone) => void socket.on('close', gone).on('error', gone),
          pulse: () => socket.ping(),
        }).catch(refuse)
      } catch (error) {
        refuse(error)
      }
    })
  })

  /** Ends a connection that has not ended by itself. */
  const afterFarewell = (destroy: () => void, whenOver: (over: () => void) => unknown): void => {
    const timer = setTimeout(destroy, farewellMs)
    whenOver(() => clearTimeout(timer))
  }

  const attach = async (
    request: FastifyRequest,
    listener: Listener,
    connection: { begin(): void; isGone(): boolean; onGone(gone: () => void): void; pulse(): void },
  ): Promise<void> => {
    const isFull = new AppError('rate_limited', 'Too many streams are open; close one of them.')
    if (hub.isFull()) throw isFull
    connection.begin()
    // Whoever left while we asked who they are says nothing more, and would keep a place for ever.
    if (connection.isGone()) return
    let isGone = false
    let leave: (() => void) | undefined
    const timer = setInterval(() => {
      connection.pulse()
      stillHolds(request, adminToken).then(
        (holds) => !holds && (leave ?? listener.cut)(),
        () => undefined,
      )
    }, pulseMs)
    connection.onGone(() => {
      isGone = true
      clearInterval(timer)
      leave?.()
    })
    leave = await hub.listen(listener)
    if (!leave) listener.cut()
    else if (isGone) leave()
  }
}

const frameOf = ({ id, event, data }: Message): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`

const read = (request: FastifyRequest): Pick<Listener, 'filter' | 'after'> => {
  const parsed = streamQuery.safeParse(request.query)
  if (!parsed.success) throw new AppError('request_invalid', z.prettifyError(parsed.error))
  const { last_event_id: inQuery, ...filter } = parsed.data
  const sent = request.headers['last-event-id']
  return { filter, after: (typeof sent === 'string' ? sent.slice(0, 40) : undefined) ?? inQuery }
}
