import type { Config } from '../config.ts'
import { plainAddress, truncateAddress } from './address.ts'
import { type Json, markedDigits } from './json.ts'
import type { KeyedHash } from './keyed-hash.ts'
import { createPrivateKeys } from './private-keys.ts'
import type { Rewrite } from './tree.ts'

export type Privacy = {
  /** How an event is rewritten. `escapes`: the body holds `\u`, so it may hold NUL and lone surrogates. */
  rewrite(escapes: boolean): Rewrite
  /** What is stored of a sender's address. */
  address(ip: string): string | null
  /** True when the sender asked not to be tracked (DNT, GPC) and the settings respect it. */
  declines(headers: { dnt?: string | undefined; gpc?: string | undefined }): boolean
}

export const redactedText = '[REDACTED]'

export const createPrivacy = (config: Config, keyedHash: KeyedHash): Privacy => {
  const isPrivateKey = createPrivateKeys(config.PRIVACY_LEVEL, config.REDACT_KEYS ?? [])
  const addressMode = config.IP_ADDRESS ?? (config.PRIVACY_LEVEL === 'hipaa' ? 'drop' : 'truncate')

  const hide = (value: string): string =>
    config.REDACT_MODE === 'hash' ? `hash:${keyedHash.text('redacted', value)}` : redactedText

  const value = (key: string, sent: Json): Json | undefined => {
    if (userIdKeys.has(key) && typeof sent === 'string' && contactLike.test(sent))
      return keyedHash.text('user', sent.trim().toLowerCase())
    if (sent === null || typeof sent === 'boolean' || sent === '' || !isPrivateKey(key)) return undefined
    return hide(typeof sent === 'string' ? sent : JSON.stringify(sent))
  }

  const text = (sent: string): string => {
    const digits = markedDigits(sent)
    return digits === undefined ? sent : sent
  }
  const asIs: Rewrite = { key: (key) => key, value, text, number: (number) => number }
  const mended: Rewrite = { ...asIs, key: mend, text: (sent) => mend(text(sent)) }

  return {
    rewrite: (escapes) => (escapes ? mended : asIs),
    address(ip) {
      if (addressMode === 'drop') return null
      if (addressMode === 'truncate') return truncateAddress(ip)
      return addressMode === 'hash' ? keyedHash.text('address', plainAddress(ip)) : plainAddress(ip)
    },
    declines: ({ dnt, gpc }) => (config.RESPECT_DNT && dnt === '1') || (config.RESPECT_GPC && gpc === '1'),
  }
}

const userIdKeys = new Set(['userId', 'user_id', 'uid'])
const contactLike = /^\s*(?:[^\s@]+@[^\s@]+\.[^\s@]+|\+[\d\s().-]{7,20}|\(?0\d[\d\s()./-]{6,18})\s*$/

/** NUL and lone surrogates, which neither PostgreSQL's json nor any UTF-8 file can hold, become U+FFFD. */
const mend = (text: string): string => (unstorable.test(text) ? text.replace(/[\0\p{Surrogate}]/gu, '\uFFFD') : text)
const unstorable = /[\0\p{Surrogate}]/u
