/** Properties of an event: anything that JSON can say. */
export type EventData = Record<string, unknown>

export type Consent = 'granted' | 'denied' | 'pending'

/**
 * Everything that can be configured: by `data-*` attributes of the script tag (`batchSize` is `data-batch-size`), or as
 * options of the module build.
 */
export type Options = {
  /** Where events go. Default: `/collect` on the host the script came from. */
  endpoint?: string
  /** Event types to capture automatically, separated by commas. Default: all. */
  track?: string
  /** Event types not to capture automatically, separated by commas. */
  skip?: string
  /** A batch is sent at this many events. Default 50. */
  batchSize?: string | number
  /** …or after this many seconds without an event. Default 60. */
  flushSeconds?: string | number
  /** A session ends after this many minutes without an event. Default 30. */
  sessionMinutes?: string | number
  /** Share of visitors that is tracked, 0 to 1. Default 1. */
  sampleRate?: string | number
  /** `none`: nothing is ever stored on the device, and there is no visitor id. */
  storage?: string
  /** `pending`: wait for `consent('granted')`; `denied`: off until then. Default `granted`. */
  consent?: string
  /** `ignore`: collect in spite of Do Not Track and Global Privacy Control. */
  signals?: string
  /** Names of URL query parameters to keep besides campaign and search parameters, separated by commas. */
  query?: string
  /** Query parameters that hold a site search. Default `q,query,s,search`. */
  search?: string
  /** `true`, or the attribute alone: log to the console. */
  debug?: string
}

/** What a site can call, as `window.evothesis` or from the module. */
export type Evothesis = {
  /** Records an event of any type. Values that look private, and keys named so, are replaced. */
  track(type: string, properties?: EventData): void
  /** Records a page view now, for sites that skip the automatic ones. */
  page(properties?: EventData): void
  /** Ties this browser to the site's own user id; an e-mail address as id is hashed by the collector. */
  identify(userId: string, traits?: EventData): void
  /** Forgets visitor, session and user, as on logout: what follows belongs to a new visitor. */
  reset(): void
  /** Records an order: `{ transaction_id, value, currency, items: [{ item_id, item_name, price, quantity }] }`. */
  purchase(order: EventData): void
  /** Records a product put into the cart: `{ value, currency, items: […] }`. */
  addToCart(product: EventData): void
  /**
   * Sets the visitor's decision. `pending` collects in memory, `granted` sends, `denied` clears and stores nothing. A
   * withdrawal is the last event sent under the consent it ends; a refusal that follows no grant sends nothing.
   */
  consent(state: Consent, details?: EventData): void
  /** Stops for good in this browser, and remembers only that. */
  optOut(): void
  optIn(): void
  /** Sends what is queued. True when the collector has accepted everything. */
  flush(): Promise<boolean>
}
