import { z } from 'zod'

/**
 * What the pixel sends, as one schema: the types of its users are inferred from it, the JSON Schema beside the served file is
 * printed from it, and the payloads recorded from a browser are held against it. Strict: a field more is a change of contract.
 */
const text = z.string()
const count = z.number().int().nonnegative()
const milliseconds = count
const percentage = z.number().int().min(0).max(100)
const open = z.record(text, z.unknown())
const eventOf = <T extends string, D extends z.ZodType>(eventType: T, eventData: D) =>
  z.strictObject({
    eventType: z.literal(eventType),
    /** `pageId` and `seq` together. */
    eventId: text.regex(/^p[0-9a-f]{24}-\d+$/),
    timestamp: z.iso.datetime(),
    /** Counts the events of one page load, from 1, without gaps. */
    seq: count.min(1),
    pageId: text.regex(/^p[0-9a-f]{24}$/),
    url: text,
    userId: text.optional(),
    truncated: z.literal(true).optional(),
    eventData,
  })

const clicked = z.strictObject({
  tagName: text,
  id: text,
  classes: text.nullable(),
  href: text.nullable(),
  text: text.nullable(),
  /** Shares of the document's width and height. */
  position: z.strictObject({ x: z.number(), y: z.number() }).nullable(),
})
const form = { formId: text.nullable(), formAction: text }
const field = { field: text, kind: text, value: text.optional() }
const item = z.record(text.regex(/^(item_\w+|price|quantity|discount|coupon|currency|value)$/), z.unknown())
const order = z.strictObject({
  transaction_id: text.optional(),
  value: z.number().optional(),
  currency: text.optional(),
  tax: z.number().optional(),
  shipping: z.number().optional(),
  coupon: text.optional(),
  discount: z.number().optional(),
  items: z.array(item).optional(),
})

const pageview = eventOf('pageview', open).extend({
  page: z.strictObject({ title: text }),
  attribution: z.strictObject({
    utmParams: z.record(text, text),
    campaignParams: z.record(text, text),
    referrer: text,
    referrerType: z.enum(['direct', 'internal', 'search', 'social', 'referral']),
    referrerPlatform: text.optional(),
  }),
  browser: z.strictObject({ language: text, viewportWidth: count, viewportHeight: count, timezone: text }),
})

/** The events that the pixel makes by itself; `track` sends others, of any type, with any data. */
export const pixelEvent = z.discriminatedUnion('eventType', [
  pageview,
  eventOf('click', clicked),
  eventOf('rage_click', clicked),
  eventOf('outbound', z.strictObject({ href: text, host: text })),
  eventOf('download', z.strictObject({ href: text, fileType: text.optional() })),
  eventOf('text_selection', z.strictObject({ textLength: count })),
  eventOf('text_copy', z.strictObject({ textLength: count })),
  eventOf(
    'scroll_depth',
    z.strictObject({ milestone: percentage, scrollPercentage: percentage, timeToMilestone: milliseconds }),
  ),
  eventOf('form_start', z.strictObject({ ...form, ...field })),
  eventOf('form_change', z.strictObject({ ...form, ...field })),
  eventOf('form_error', z.strictObject({ ...form, ...field, error: text })),
  eventOf(
    'form_submit',
    z.strictObject({ ...form, fields: z.array(z.strictObject({ ...field, filled: z.boolean() })) }),
  ),
  eventOf('form_abandon', z.strictObject({ ...form, lastField: text })),
  eventOf('page_visibility', z.strictObject({ hidden: z.boolean(), timeSpent: milliseconds })),
  eventOf('page_exit', z.strictObject({ timeSpent: milliseconds })),
  eventOf('engagement', z.strictObject({ engagedMs: milliseconds, scrollPercentage: percentage })),
  eventOf('search', z.strictObject({ query: text, parameter: text, results: z.number().nullable() })),
  eventOf(
    'video',
    z.strictObject({ action: z.enum(['start', 'progress', 'complete']), progress: percentage, src: text, id: text }),
  ),
  eventOf(
    'js_error',
    z.strictObject({ message: text, source: text.optional(), line: count.optional(), column: count.optional() }),
  ),
  eventOf('web_vital', z.strictObject({ name: z.enum(['LCP', 'CLS', 'INP', 'FCP', 'TTFB']), value: z.number() })),
  eventOf('consent', open.and(z.object({ state: z.enum(['granted', 'denied', 'pending']) }))),
  eventOf('identify', z.strictObject({ traits: open.optional() })),
  eventOf('product_view', order),
  eventOf('add_to_cart', order),
  eventOf('remove_from_cart', order),
  eventOf('begin_checkout', order),
  eventOf('purchase', order),
  eventOf('custom', open),
])

/** One request. The envelope is no event; its ids hold for all events in it. */
export const pixelBatch = z.strictObject({
  eventType: z.literal('batch'),
  /** The same through all retries. */
  batchId: text.regex(/^evo_b\d{13}_[0-9a-f]{16}$/),
  /** The time of this attempt. */
  sentAt: z.iso.datetime(),
  sessionId: text.regex(/^s[0-9a-f]{16}-\d+$/),
  visitorId: text.regex(/^v[0-9a-f]{32}$/).nullable(),
  siteId: text,
  events: z.array(pixelEvent).min(1),
})

export type PixelEvent = z.infer<typeof pixelEvent>
export type PixelBatch = z.infer<typeof pixelBatch>
