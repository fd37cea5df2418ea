import { z } from 'zod'
import { roles } from '../../roles.ts'
import type { Described } from '../describe.ts'
import { streamQuery } from '../stream/stream-routes.ts'

const holder = z.object({ name: z.string(), role: z.enum(roles) })
const code = z.strictObject({ code: z.string().max(10) })

export const consoleDescribed: readonly Described[] = [
  {
    ...{ method: 'GET', path: '/api/pictures/*', role: 'viewer', media: 'image/svg+xml' },
    summary: 'A drawing that a note of the vault shows.',
  },
  {
    ...{ method: 'GET', path: '/events/stream', role: 'client', query: streamQuery, media: 'text/event-stream' },
    summary: 'Events as they are stored, and alerts, as server-sent events. Resumes by Last-Event-ID, else says gap.',
  },
  {
    ...{
      method: 'GET',
      path: '/ws/events',
      role: 'client',
      query: streamQuery,
      media: 'application/json',
      status: 101,
    },
    summary: 'The same over WebSocket: {id, event, data} in each message.',
  },
  {
    ...{ method: 'POST', path: '/console/login', role: 'anyone' },
    body: z.strictObject({ token: z.string(), code: z.string().optional() }),
    answer: z.object({ holder, expires_at: z.string() }),
    summary: 'Gives a browser a session in a cookie. Needs the header x-evothesis-console.',
  },
  {
    ...{ method: 'POST', path: '/console/logout', role: 'anyone', answer: z.object({ holder: z.null() }) },
    summary: 'Ends the session.',
  },
  {
    ...{ method: 'GET', path: '/console/session', role: 'anyone' },
    answer: z.looseObject({ holder: holder.nullable(), expires_at: z.string().optional() }),
    summary: 'Whose session it is.',
  },
  {
    ...{ method: 'POST', path: '/console/code/offer', role: 'client' },
    answer: z.object({ secret: z.string(), address: z.string() }),
    summary: 'Offers the token of this session a second factor (RFC 6238).',
  },
  ...(['confirm', 'remove'] as const).map(
    (verb): Described => ({
      ...{
        method: 'POST',
        path: `/console/code/${verb}`,
        role: 'client',
        body: code,
        answer: z.object({ has_code: z.boolean() }),
      },
      summary:
        verb === 'confirm'
          ? 'From now on the token needs a code, and counts for logins only.'
          : 'Takes the second factor away.',
    }),
  ),
  {
    ...{ method: 'GET', path: '/openapi.json', role: 'anyone', answer: z.looseObject({ openapi: z.string() }) },
    summary: 'This document.',
  },
]
