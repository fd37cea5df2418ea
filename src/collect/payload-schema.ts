import { z } from 'zod'
import { standardEventTypes } from '../types.ts'
import { eventsMax, eventTypeCharsMax, idCharsMax } from './limits.ts'

/**
 * The wire format of /collect as a schema: what is served at /schema/collect.json and what docs/payload.md describes. The
 * hot path reads events by hand, a fuzz test holds the two together: the schema takes a body when the reader does.
 */
const id = (description: string) =>
  z
    .union([z.string().max(idCharsMax), z.number(), z.null()])
    .optional()
    .meta({ description })
const text = (description: string) => z.union([z.string(), z.number(), z.null()]).optional().meta({ description })
const time = (description: string) =>
  z
    .unknown()
    .optional()
    .meta({ description: `${description} ISO 8601 or milliseconds since 1970; anything else is ignored.` })

const shared = {
  sessionId: id('The visit.'),
  visitorId: id('The browser or device.'),
  userId: id('The person, when known. An e-mail address or telephone number is stored as a keyed hash.'),
  siteId: id('The site, when neither url nor the Origin header tells it.'),
  url: text('The page, with query and fragment; private values in it are hidden.'),
  path: text('Its path. Default: that of the url.'),
  page: z
    .unknown()
    .optional()
    .meta({ description: 'Title, referrer and more of the page; url and path are read from it.' }),
  attribution: z.unknown().optional().meta({ description: 'How the visit came about: campaign, click ids, referrer.' }),
  sentAt: time('When the request was sent, by the client’s clock; corrects `timestamp`.'),
  batchId: z
    .unknown()
    .optional()
    .meta({
      description: `Idempotency key of the request, text or a number of at most ${idCharsMax} characters; anything else is none.`,
    }),
}

const eventType = z
  .string()
  .max(eventTypeCharsMax)
  .regex(/\S/)
  .meta({ description: 'What happened.', examples: [...standardEventTypes] })

export const eventSchema = z
  .looseObject({
    eventType,
    eventId: id('Identifies the event. A UUID is kept, other text becomes a UUIDv5, none a new UUID.'),
    timestamp: time('When it happened, by the client’s clock. Default: the time of arrival.'),
    seq: z.unknown().optional().meta({ description: 'Number of the event on its page, from 1: gaps show losses.' }),
    ...shared,
    browser: z.unknown().optional().meta({ description: 'User agent, language, screen, viewport, time zone.' }),
    eventData: z.unknown().optional().meta({ description: 'Whatever belongs to the event.' }),
  })
  .meta({ id: 'Event', description: 'One event. Keys that are not listed are kept.' })

export const envelopeSchema = z
  .looseObject({
    eventType: z.literal('batch').optional(),
    events: z.array(eventSchema).min(1).max(eventsMax),
    ...shared,
  })
  .meta({
    id: 'Envelope',
    description: 'Several events. They inherit sessionId, visitorId, userId, siteId, url, path, page and attribution.',
  })

export const collectSchema = z.union([envelopeSchema, eventSchema])

/** JSON Schema, draft 2020-12, of a body of /collect. */
export const collectJsonSchema = (): object => ({
  $id: '/schema/collect.json',
  title: 'Body of POST /collect',
  ...z.toJSONSchema(collectSchema, { target: 'draft-2020-12', io: 'input', unrepresentable: 'any' }),
})
