import { guard, win } from './host.ts'
import { capture } from './queue.ts'
import type { EventData } from './types.ts'

/** GA4 names that are standard types; `view_item` is `product_view`. */
const shopEvents = /^(product_view|add_to_cart|remove_from_cart|begin_checkout|purchase)$/
/** What is taken of a data layer: shops put customers' data there, too. */
const taken = /^(transaction_id|value|currency|tax|shipping|coupon|discount|items|price|quantity|item_\w+)$/

/** Takes the shop events of `dataLayer`, those from before this script included, pushed as objects or by `gtag()`. */
export const watchDataLayer = (): void => {
  const page = win as { dataLayer?: unknown[] }
  page.dataLayer ||= []
  const layer = page.dataLayer
  const push = layer.push
  const read = guard(readEntry)
  for (const entry of layer) read(entry as EventData)
  layer.push = (...entries: unknown[]) => {
    for (const entry of entries) read(entry as EventData)
    return push.apply(layer, entries)
  }
}

const readEntry = (entry: EventData): void => {
  const byGtag = entry[0] === 'event'
  const type = `${byGtag ? entry[1] : entry.event}`.replace('view_item', 'product_view')
  if (shopEvents.test(type)) capture(type, pick((byGtag ? entry[2] : entry.ecommerce) ?? entry))
}

/** Of an object what is known to be about goods; of its items the same. */
const pick = (from: unknown): EventData => {
  const to: EventData = {}
  for (const [key, value] of Object.entries(from as object))
    if (taken.test(key)) to[key] = value instanceof Object ? Object.values(value).map(pick) : value
  return to
}
