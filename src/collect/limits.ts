/** Every limit of the front door, with its unit. docs/payload.md states those that a sender can meet. */

/** Bytes of a body, both as sent and decompressed. */
export const bodyBytesMax = 8_000_000
/** Events of one request. */
export const eventsMax = 10_000
/** Levels of objects and arrays in one event, the event itself being the first. */
export const depthMax = 64
/** Characters of an event type. */
export const eventTypeCharsMax = 200
/** Characters of an id that a sender chooses: event, session, visitor, user, site, batch. */
export const idCharsMax = 512
/** Characters of a user agent; what is longer is cut. */
export const userAgentCharsMax = 1024
/** Bytes of a row as a quoted CSV line: the exporter's reader has a line limit a little above it. */
export const rowBytesMax = 1_000_000
/**
 * Bytes of the rows that one request may grow into. Children inherit from their envelope, so a body of 8 MB could
 * otherwise become 300 MB.
 */
export const requestRowBytesMax = 32_000_000

/** Bytes of all requests that are not answered yet, bodies and rows together; more is refused with 503. */
export const queueBytesMax = 96_000_000
/** Bytes and rows of one group, which is one transaction; a single larger request is a group of its own. */
export const groupBytesMax = 16_000_000
export const groupRowsMax = 50_000
/** Bytes collected before they are handed to the COPY stream: small writes cost a system call each. */
export const copyChunkBytes = 128 * 1024
