import { maySend } from './consent.ts'
import { randomHex, wallMs } from './host.ts'
import { numberOption, textOption } from './options.ts'
import { readItem, writeItem } from './storage.ts'

/**
 * Who: a random visitor id, a session that slides with every event and is shared by all tabs, and the user id of the
 * site, if it gives one. One record in localStorage while that is allowed, else in memory for this page.
 */
export let visitorId = ''
export let sessionId = ''
export let userId = ''
let lastEventMs = 0
let writtenMs = 0
/** The record is written at most this often, so that a click does not cost a write. */
const writeEveryMs = 5000

/** Reads what other tabs wrote. */
export const readIdentity = (): void => {
  const record = readItem('evo_id').split('\n') as [string, string, string, string]
  if (!maySend() || !record[3]) return
  ;[visitorId, sessionId, userId] = record
  lastEventMs = +record[3]
}

export const writeIdentity = (): void => {
  if (textOption('storage') !== 'none') visitorId = visitorId || `v${randomHex(16)}`
  writtenMs = lastEventMs
  if (maySend()) writeItem('evo_id', [visitorId, sessionId, userId, lastEventMs].join('\n'))
}

/**
 * A session is named after its browser's first one and counted, so that two tabs which wake at the same moment and
 * rotate the same session arrive at the same new name without asking each other.
 */
export const startSession = (): void => {
  const [series, count = 0] = sessionId.split('-')
  sessionId = `${series || `s${randomHex(8)}`}-${+count + 1}`
  writtenMs = 0
}

/** Slides the session, or begins a new one, having asked the other tabs; a clock that was set back ends nothing. */
export const slideSession = (): void => {
  const isOver = () => !sessionId || wallMs() - lastEventMs > numberOption('sessionMinutes', 30) * 60_000
  if (isOver()) readIdentity()
  if (isOver()) startSession()
  lastEventMs = wallMs()
  if (Math.abs(lastEventMs - writtenMs) > writeEveryMs) writeIdentity()
}

export const setUser = (id: string): void => {
  userId = id
  writeIdentity()
}

/** Forgets visitor, session and user, in memory. */
export const forgetIdentity = (): void => {
  visitorId = sessionId = userId = ''
}
