/**
 * One closed list of error codes: what each means, the HTTP status it answers with, and what to do next.
 * `docs/errors.md` is tested against this list in both directions. Codes are a contract: they are added, never renamed.
 */
export const errorCodes = {
  body_unreadable: [400, 'The body is not JSON in UTF-8.'],
  body_encoding_unsupported: [415, 'The Content-Encoding is not one of gzip, deflate, br, identity.'],
  event_invalid: [400, 'The event breaks the payload contract.'],
  event_not_object: [400, 'An event is a JSON object.'],
  event_type_missing: [400, 'An event needs `eventType`, a non-empty string.'],
  event_type_too_long: [400, 'The event type is too long.'],
  event_too_large: [413, 'The event is larger than the limit.'],
  event_too_deep: [400, 'The event is nested deeper than the limit.'],
  events_missing: [400, 'A batch needs `events`, a non-empty array.'],
  events_too_many: [413, 'The batch holds more events than the limit.'],
  body_too_large: [413, 'The body is larger than the limit.'],
  row_refused: [400, 'The database refused the event; it is kept among the rejects.'],
  unauthorized: [401, 'The request needs a valid token.'],
  code_needed: [401, 'The login also needs the code of the authenticator.'],
  forbidden: [403, 'The token may not do this.'],
  origin_forbidden: [403, 'This site may not send events here.'],
  not_found: [404, 'There is nothing at this address.'],
  method_not_allowed: [405, 'The address does not answer this method.'],
  request_invalid: [400, 'The request breaks the contract of this route.'],
  conflict: [409, 'The request contradicts the present state.'],
  rate_limited: [429, 'Too many requests; try again after Retry-After.'],
  buffer_full: [503, 'The buffer is full; try again after Retry-After.'],
  shutting_down: [503, 'The server is stopping; try again after Retry-After.'],
  database_unavailable: [503, 'The database cannot be reached; try again after Retry-After.'],
  internal: [500, 'Something failed on the server; the operator finds the cause in the log.'],

  setting_invalid: [500, 'One or more settings are invalid.'],
  port_taken: [500, 'The port is in use.'],
  already_running: [500, 'Another server runs on this data folder.'],
  database_failed: [500, 'The database could not be started or reached.'],
  database_unsafe: [500, 'The database would acknowledge what it can lose (fsync or synchronous_commit is off).'],
  schema_newer: [500, 'The database was migrated by a newer version.'],
  commit_refused: [500, 'The transaction did not commit.'],

  export_busy: [409, 'Another export is running.'],
  export_head_unknown: [
    409,
    'A destination holds manifests this database does not know; run `evothesis export adopt`.',
  ],
  export_prefix_taken: [409, 'The prefix holds manifests of another client.'],
  export_count_mismatch: [500, 'The rows read for a part differ from its ledger.'],
  export_encode_failed: [500, 'A file could not be encoded.'],
  destination_failed: [502, 'A destination failed; the delivery is retried.'],
  destination_refused: [502, 'A destination refuses access; the delivery is parked until it is mended.'],
  destination_mismatch: [502, 'A destination holds other bytes than were delivered.'],
  verify_failed: [500, 'The files do not agree with their manifests.'],
  agents_busy: [409, 'Another run of the agents is under way.'],
  backup_failed: [500, 'A backup could not be made or read.'],
  restore_refused: [409, 'The backup does not fit this database or this program.'],
  machine_failed: [502, "A command on the client's machine failed."],
  usage_invalid: [400, 'The command was called with unknown or missing arguments.'],
} as const satisfies Record<string, readonly [status: number, meaning: string]>

export type ErrorCode = keyof typeof errorCodes

/**
 * The one error of this program: a code of the list, a message that names the thing, the fact and the next step, and
 * the cause. Strangers are shown the code and its meaning; the operator sees message and cause.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly status: number
  constructor(code: ErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'AppError'
    this.code = code
    this.status = errorCodes[code][0]
  }
}

export const isAppError = (error: unknown): error is AppError => error instanceof AppError

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
