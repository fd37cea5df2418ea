import { textOption } from './options.ts'
import { readItem, wipeStorage, writeItem } from './storage.ts'
import type { Consent } from './types.ts'

let state = ''
/** Off for this visitor whatever the consent: Do Not Track, Global Privacy Control, opt-out. */
let barred: unknown = false

export const mayCollect = (): boolean => !barred && state !== 'denied'
export const maySend = (): boolean => !barred && state === 'granted'

type Signals = { doNotTrack?: unknown; globalPrivacyControl?: unknown }

/**
 * Reads the browser's signals and what was decided before. Two keys are read before consent, because they hold a
 * decision: an earlier grant, and an opt-out. Nothing is written before consent.
 */
export const readConsent = (): void => {
  const { doNotTrack, globalPrivacyControl } = navigator as Signals
  barred = readItem('evo_off') || (textOption('signals') !== 'ignore' && (globalPrivacyControl || doNotTrack === '1'))
  state = readItem('evo_consent') || textOption('consent', 'granted')
}

/** A grant is remembered; anything else removes what was stored, itself included. */
export const decide = (next: Consent): void => {
  if (barred) return
  state = next
  if (maySend()) writeItem('evo_consent', next)
  else wipeStorage()
}

/** Ends everything on this page, whatever is decided later: another tab has withdrawn or opted out. */
export const bar = (): void => {
  barred = true
}

/** An opt-out is the one thing stored for someone who wants nothing stored: without it, it would not last. */
export const setOptOut = (out: boolean): void => {
  wipeStorage()
  if (out) writeItem('evo_off', '1')
  readConsent()
}
