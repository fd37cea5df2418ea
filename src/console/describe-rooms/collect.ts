import { z } from 'zod'
import type { Described } from '../describe.ts'

const event = z.looseObject({
  eventType: z.string(),
  eventId: z.string().optional(),
  timestamp: z.string().optional(),
  url: z.string().optional(),
  sessionId: z.string().optional(),
  visitorId: z.string().optional(),
  userId: z.string().optional(),
  siteId: z.string().optional(),
  eventData: z.unknown().optional(),
})
const envelope = event.extend({ eventType: z.literal('batch'), batchId: z.string().optional(), events: z.array(event) })
const taken = z.object({
  status: z.literal('success'),
  events_processed: z.number().int(),
  duplicate: z.boolean(),
  rejected: z.array(z.object({ index: z.number().int(), code: z.string(), message: z.string() })),
})
const success = z.object({ success: z.literal(true) })
const message = z.looseObject({ writeKey: z.string().optional() })

const kinds: Record<string, string> = { track: 't', page: 'p', screen: 's', identify: 'i', group: 'g', alias: 'a' }
const batches = ['/v1/batch', '/v1/import', '/v1/b', '/batch', '/b', '/beacon/v1/batch']

/** What takes events in. The whole contract of a body is /schema/collect.json. */
export const collectDescribed: readonly Described[] = [
  {
    ...{ method: 'POST', path: '/collect', role: 'anyone', body: z.union([event, envelope]), answer: taken },
    summary: 'Takes an event, or a batch of them. 200 means durable.',
  },
  {
    ...{ method: 'POST', path: '/api/v1/events', role: 'sender', body: z.union([event, envelope]), answer: taken },
    summary: 'The same for servers, with a write key as bearer token.',
  },
  ...batches.map(
    (path): Described => ({
      ...{ method: 'POST', path, role: 'sender', answer: success },
      body: message.extend({ batch: z.array(z.looseObject({ type: z.string() })) }),
      summary: 'The HTTP API of Segment: several messages.',
    }),
  ),
  ...Object.entries(kinds).flatMap(([kind, short]) =>
    [kind, short].map(
      (name): Described => ({
        ...{ method: 'POST', path: `/v1/${name}`, role: 'sender', body: message, answer: success },
        summary: `The HTTP API of Segment: a ${kind} message.`,
      }),
    ),
  ),
  {
    ...{ method: 'POST', path: '/v1/m', role: 'anyone', body: z.unknown(), answer: success },
    summary: 'What SDKs measure of themselves; read and dropped.',
  },
  ...['/v1/projects/:writeKey/settings', '/projects/:writeKey/settings'].map(
    (path): Described => ({
      ...{ method: 'GET', path, role: 'sender', answer: z.looseObject({}) },
      summary: 'What SDKs of Segment ask before they send.',
    }),
  ),
  {
    ...{ method: 'GET', path: '/sourceConfig', role: 'sender', answer: z.looseObject({}) },
    summary: 'What SDKs of RudderStack ask before they send.',
  },
  {
    ...{ method: 'GET', path: '/schema/collect.json', role: 'anyone', answer: z.looseObject({}) },
    summary: 'The body of /collect as a JSON Schema.',
  },
  {
    ...{ method: 'GET', path: '/health', role: 'anyone' },
    answer: z.object({
      status: z.string(),
      spool: z.object({ bytes: z.number(), age_seconds: z.number() }).optional(),
    }),
    summary: '200 while events are taken, `degraded` while they wait in the spool, else 503.',
  },
  {
    ...{ method: 'GET', path: '/metrics', role: 'local', media: 'text/plain' },
    summary: 'Metrics for Prometheus. From this machine without a token.',
  },
  {
    ...{ method: 'GET', path: '/events/count', role: 'viewer', answer: z.object({ total_events: z.number().int() }) },
    summary: 'Events in the buffer.',
  },
  {
    ...{
      method: 'GET',
      path: '/events/recent',
      role: 'operator',
      query: z.strictObject({ limit: z.number().int().min(1).max(1000).default(10) }),
    },
    answer: z.object({
      events: z.array(z.looseObject({ event_id: z.string(), event_type: z.string(), site_id: z.string().nullable() })),
    }),
    summary: 'The latest events, whole rows.',
  },
]
