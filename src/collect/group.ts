/** The rows of one event or reject on their way to a commit. Everything here is redacted and final. */

export type Row = {
  /** Ordinal of the event in its request. */
  index: number
  siteId: string
  pageview: boolean
  /** Bytes of raw_event_data. */
  bytes: number
  /** The row in COPY text format, without batch_id, n and stored_at. */
  line: string
}

export type RejectCode =
  | 'event_not_object'
  | 'event_type_missing'
  | 'event_type_too_long'
  | 'event_invalid'
  | 'event_too_large'
  | 'event_too_deep'
  | 'origin_forbidden'
  | 'row_refused'

export type Reject = {
  index: number
  siteId: string
  code: RejectCode
  message: string
  /** The redacted event as JSON. */
  payload: string
}

export type Receipt = {
  /** 128 bits of HMAC(HASH_KEY, scope ‖ id), and of SHA-256 over the events, both in the form of a uuid. */
  key: string
  digest: string
  expiresMs: number
}

/** What is stored or found to be a duplicate as a whole: a request of /collect, a message of the Segment API. */
export type Unit = { receipt?: Receipt; rows: Row[]; rejects: Reject[] }

/** One request. All its events have one time of arrival. */
export type Submission = { createdMs: number; bytes: number; units: Unit[] }

/** Requests that are committed together. Replaying a group with its key stores it once. */
export type Group = { commitKey: string; submissions: Submission[] }

/** What became of a submission: per unit whether it was stored before; rows that the database refused. */
export type Outcome = { duplicates: boolean[]; refused: Reject[] }

export const rowsOf = (submission: Submission): number =>
  submission.units.reduce((sum, unit) => sum + unit.rows.length, 0)
