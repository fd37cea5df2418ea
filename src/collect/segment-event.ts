import { type Json, type JsonObject, writeJson } from '../json.ts'
import type { Arrival } from './event.ts'
import { redactedSizesMax } from './event.ts'
import type { Reject, Row } from './group.ts'
import { depthMax, idCharsMax } from './limits.ts'
import type { Privacy } from './privacy.ts'
import { eventIdOf, eventTypeOf, happenedAt, idOf, isObject, isRefusal, makeRow, pathOf, type Refusal } from './row.ts'
import type { SiteNames } from './site.ts'
import type { SitesAllowed } from './sites-allowed.ts'
import { type Rewrite, rewriteTree, withTextLimit } from './tree.ts'

/** Names of the Segment e-commerce spec (v2) and of its mobile spec, and the standard types they are. */
const mappedTracks: Record<string, string> = {
  'product viewed': 'product_view',
  'viewed product': 'product_view',
  'product added': 'add_to_cart',
  'added product': 'add_to_cart',
  'product removed': 'remove_from_cart',
  'removed product': 'remove_from_cart',
  'checkout started': 'begin_checkout',
  'order completed': 'purchase',
  'completed order': 'purchase',
  'products searched': 'search',
  'form submitted': 'form_submit',
  'button clicked': 'click',
  'link clicked': 'click',
}

export type Message = { event: JsonObject; type: string | undefined; sentAt: Json | undefined }

/**
 * Reads one message of the Segment spec. The message itself is the raw event; its columns come from where the spec puts
 * them. `kind` is the type that a route gives to a message that names none.
 */
export const readSegmentMessage = (
  sent: Json,
  index: number,
  context: {
    arrival: Arrival
    rewrite: Rewrite
    marked: boolean
    kind: string | undefined
    sentAt: Json | undefined
    privacy: Privacy
    siteNames: SiteNames
    sitesAllowed: SitesAllowed
    eventBytesMax: number
  },
): Row | Reject => {
  const { arrival, marked, eventBytesMax } = context
  const rewrite = withTextLimit(context.rewrite, eventBytesMax * redactedSizesMax)
  const { value: message, tooDeep } = rewriteTree(sent, rewrite, depthMax)
  const refuse = (refusal: Refusal, siteId: string | null): Reject => ({
    ...{ index, siteId: siteId ?? '', ...refusal, payload: writeJson(message, marked) },
  })
  if (!isObject(message)) return refuse({ code: 'event_not_object', message: 'A message is a JSON object.' }, null)

  const place = placeOf(message)
  const siteId = context.siteNames.siteOf(place.url, arrival.origin, place.siteId)
  if (!mayCome(context.sitesAllowed, arrival.origin, siteId))
    return refuse({ code: 'origin_forbidden', message: 'This site is not among those that may send here.' }, siteId)
  const ids = idsOf(message)
  if (isRefusal(ids)) return refuse(ids, siteId)
  const eventType = eventTypeOf(typeOf(message, context.kind))
  if (typeof eventType !== 'string') return refuse(eventType, siteId)
  if (tooDeep)
    return refuse({ code: 'event_too_deep', message: `The message is nested deeper than ${depthMax} levels.` }, siteId)

  if (arrival.bot === 'mark') message.bot ??= true
  const columns = {
    ...{ eventId: eventIdOf(ids.messageId), eventType, siteId, url: place.url, path: place.path },
    ...{ sessionId: ids.sessionId, visitorId: ids.anonymousId, userId: ids.userId },
    timestamp: happenedAt(
      message.originalTimestamp ?? message.timestamp,
      message.sentAt ?? context.sentAt,
      arrival.createdMs,
    ),
    userAgent: place.userAgent ?? (arrival.origin === undefined ? null : arrival.userAgent),
    // A server sends for others: its own address says nothing about them, unless it says `direct`.
    address: place.ip ?? (arrival.origin !== undefined || place.direct ? arrival.address : null),
  }
  const made = makeRow(index, columns, writeJson(message, marked), { createdMs: arrival.createdMs, eventBytesMax })
  return isRefusal(made) ? refuse(made, siteId) : made
}

/** A message of a server or an app may belong to no site: its write key lets it in. */
const mayCome = (sites: SitesAllowed, origin: string | undefined, siteId: string | null): boolean =>
  siteId === null ? origin === undefined : sites.site(siteId) && sites.pair(origin, siteId)

const typeOf = (message: JsonObject, kind: string | undefined): Json | undefined => {
  const type = message.type ?? message.action ?? kind
  if (type === 'page') return 'pageview'
  if (type !== 'track') return type
  const name = message.event
  return typeof name === 'string' && Object.hasOwn(mappedTracks, name.trim().toLowerCase())
    ? mappedTracks[name.trim().toLowerCase()]
    : name
}

type Ids = Record<'messageId' | 'anonymousId' | 'userId' | 'sessionId', string | null>

const idsOf = (message: JsonObject): Ids | Refusal => {
  const context = isObject(message.context) ? message.context : {}
  const ids: Partial<Ids> = {}
  const sent = { ...message, sessionId: context.sessionId ?? context.session_id ?? message.sessionId ?? null }
  for (const key of ['messageId', 'anonymousId', 'userId', 'sessionId'] as const) {
    const id = idOf(sent[key as keyof typeof sent])
    if (id === undefined)
      return { code: 'event_invalid', message: `${key} must be text of at most ${idCharsMax} characters.` }
    ids[key] = id
  }
  return ids as Ids
}

/** Where and in what the event happened, as `context` and `properties` tell. The address was truncated on the way in. */
const placeOf = (message: JsonObject) => {
  const context = isObject(message.context) ? message.context : {}
  const page = isObject(context.page) ? context.page : {}
  const properties = isObject(message.properties) ? message.properties : {}
  const text = (value: Json | undefined): string | null => (typeof value === 'string' && value !== '' ? value : null)
  const url = text(page.url) ?? text(properties.url)
  return {
    url,
    path: text(page.path) ?? text(properties.path) ?? pathOf(url),
    siteId: text(context.siteId) ?? text(message.siteId),
    userAgent: text(context.userAgent),
    ip: text(context.ip),
    direct: context.direct === true,
  }
}
