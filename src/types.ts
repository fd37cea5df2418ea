/**
 * The words of Evothesis, one per idea. Every room uses these and no synonyms.
 *
 * event        what happened on a site, once: one row of `events_log`, one line of a file
 * envelope     the wrapper of a request that carries several events; never an event itself
 * batch        one commit of the collector: the unit of commit, dedupe, export and metering
 * ledger       the table `batches`: one row per batch, written in the batch's own transaction
 * receipt      the keyed hash of an idempotency key, kept to recognise a retry
 * reject       what failed validation, kept with its code
 * spool        the append-only log on disk that takes batches while the database is away
 * part         a fixed set of batches, exported together
 * object       one file of a part: part × format × hour of arrival
 * destination  where objects are delivered: `client` or `backup`, a bucket or a folder
 * delivery     an object's (or a manifest's) way to one destination, with its evidence
 * manifest     the JSON document that commits a part; written last; hash-chained per node and epoch
 * epoch        the random name of one life of a database; a restore begins a new one
 * quarter      a 15-minute bucket of arrival, in UTC: the grain of metering
 * domain       a host on which events were seen, approved for billing or not
 * period       a calendar month in the client's time zone
 * note         a Markdown document of the vault
 */

/** The standard event types. Any other type is stored as sent. */
export const standardEventTypes = [
  'pageview',
  'click',
  'scroll',
  'scroll_depth',
  'form_start',
  'form_change',
  'form_submit',
  'form_abandon',
  'form_error',
  'text_selection',
  'text_copy',
  'page_visibility',
  'page_exit',
  'engagement',
  'rage_click',
  'download',
  'outbound',
  'search',
  'js_error',
  'web_vital',
  'video',
  'identify',
  'consent',
  'product_view',
  'add_to_cart',
  'remove_from_cart',
  'begin_checkout',
  'purchase',
  'custom',
] as const

export type StandardEventType = (typeof standardEventTypes)[number]

/** A pageview, for metering, is either spelling. */
export const pageviewEventTypes: readonly string[] = ['pageview', 'page_view']

export const exportFormats = ['json', 'csv', 'parquet'] as const
export type ExportFormat = (typeof exportFormats)[number]

export const destinationNames = ['client', 'backup'] as const
export type DestinationName = (typeof destinationNames)[number]

/** Columns of an exported file, in order. `raw_event_data` is JSON; times are UTC with microseconds. */
export const exportColumns = [
  'event_id',
  'event_type',
  'site_id',
  'visitor_id',
  'session_id',
  'user_id',
  'timestamp',
  'created_at',
  'url',
  'path',
  'user_agent',
  'ip_address',
  'raw_event_data',
] as const
export type ExportColumn = (typeof exportColumns)[number]

/** The 15-minute bucket of an instant, in milliseconds since 1970. Time zones need quarters: some are at :30 and :45. */
export const quarterMs = 15 * 60 * 1000
export const quarterOf = (instantMs: number): number => Math.floor(instantMs / quarterMs) * quarterMs

/**
 * The site under which the usage of a part sums up what it does not name; below an approved domain as its subdomain,
 * `(other).example.com`. No host is spelled like this.
 */
export const foldedSite = '(other)'

/** The producer named in manifests; a part is encoded again only by the version that wrote it. */
export const producerVersion = '0.1.0'
/** The version of the columns above, named in manifests. */
export const schemaVersion = 1
