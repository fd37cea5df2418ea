import { isIP } from 'node:net'
import { plainAddress, truncateAddress } from '../address.ts'
import type { Config } from '../config.ts'
import { type Json, type JsonObject, markedDigits, parseJson, writeJson } from '../json.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import { depthMax } from './limits.ts'
import { createPrivateKeys } from './private-keys.ts'
import { hidePairs } from './private-text.ts'
import { hideValues, isCard, isContact, mayBePrivate } from './private-values.ts'
import { createRecent } from './recent.ts'
import { type Rewrite, rewriteTree } from './tree.ts'
import { reduceUserAgent } from './user-agent.ts'

export type Privacy = {
  /** How an event is rewritten. `escapes`: the body holds `\u`, so it may hold NUL and lone surrogates. */
  rewrite(escapes: boolean): Rewrite
  /** What is stored of a sender's address. */
  address(ip: string): string | null
  /** What is stored of a user agent. */
  userAgent(userAgent: string): string | null
  /** True when the sender asked not to be tracked (DNT, GPC) and the settings respect it. */
  declines(headers: { dnt?: string | undefined; gpc?: string | undefined }): boolean
}

export const redactedText = '[REDACTED]'
/** JSON in a text in JSON in a text … is looked into so deep; what lies deeper is hidden. */
const textNestingMax = 3

/**
 * Everything private is removed here, before storage: by key (private-keys.ts), by value (private-values.ts), and by key
 * inside of texts (private-text.ts). Nothing is looked up, so the same event is redacted in the same way every time.
 */
export const createPrivacy = (config: Config, keyedHash: KeyedHash): Privacy => {
  const level = config.PRIVACY_LEVEL
  const isPrivateKey = createPrivateKeys(level, config.REDACT_KEYS ?? [])
  const addressMode = config.IP_ADDRESS ?? (level === 'hipaa' ? 'drop' : 'truncate')
  const userAgentMode = config.USER_AGENT_MODE ?? (level === 'standard' ? 'full' : 'reduce')

  const hide = (value: string): string =>
    config.REDACT_MODE === 'hash' ? `hash:${keyedHash.text('redacted', value.trim().toLowerCase())}` : redactedText

  const address = (ip: string): string | null => {
    if (addressMode === 'drop') return null
    if (addressMode === 'truncate') return truncateAddress(ip)
    return addressMode === 'hash' ? keyedHash.text('address', plainAddress(ip)) : plainAddress(ip)
  }
  const userAgent = (sent: string): string | null => {
    if (userAgentMode === 'drop') return null
    return userAgentMode === 'reduce' ? reduceUserAgent(sent) : sent
  }

  const redactText = (sent: string, nesting: number): string => {
    if (cleanTexts.has(sent)) return sent
    const stored = judgeText(sent, nesting)
    if (stored === sent && sent.length > 5 && sent.length <= storedTextCharsMax) cleanTexts.add(sent)
    return stored
  }

  const judgeText = (sent: string, nesting: number): string => {
    const digits = markedDigits(sent)
    if (digits !== undefined) return isCard(digits, true) ? hide(digits) : sent
    if (!mayBePrivate(sent) && !looksLikeJson.test(sent)) return sent
    const json = parsedJson(sent)
    if (json) return nesting >= textNestingMax ? hide(sent) : redactJson(sent, json, nesting + 1)
    const value = (text: string): string => hideValues(text, hide)
    return value(hidePairs(sent, isPrivateKey, hide, value))
  }

  const redactJson = (sent: string, { value, marked }: ParsedJson, nesting: number): string => {
    const rewritten = rewriteTree(
      value,
      rewriteOf(nesting, (text) => text),
      depthMax,
    )
    return rewritten.changed ? writeJson(rewritten.value, marked) : sent
  }

  /** What the key of a value decides, before its text is looked at. */
  const byKey = (key: string, sent: Json, parent: JsonObject): Json | undefined => {
    if (sent === null || typeof sent === 'boolean' || sent === '') return undefined
    if (typeof sent === 'string') {
      if (identityKeys.has(key) && isContact(sent)) return keyedHash.text('user', sent.trim().toLowerCase())
      if (addressKeys.has(key) && isIP(sent) !== 0) return address(sent) ?? redactedText
      if (userAgentKeys.has(key) && userAgentMode !== 'full') return userAgent(sent) ?? redactedText
    }
    const isPrivate = isPrivateKey(key) || (key === 'value' && isPrivateField(parent, isPrivateKey))
    if (!isPrivate) return undefined
    return typeof sent === 'object' ? redactedText : hide(String(sent))
  }

  /** Addresses and titles come with every event of a page. Only texts that hold nothing private are kept. */
  const cleanTexts = createRecent(storedTextsMax)

  /** Keys come again and again: what becomes of them is looked up. */
  const storedKeys = new Map<string, string>()
  const storedKey = (key: string): string => {
    const known = storedKeys.get(key)
    if (known !== undefined) return known
    const stored = mayBePrivate(key) ? hideValues(key, hide) : key
    if (key.length <= storedKeyCharsMax && storedKeys.size < storedKeysMax) storedKeys.set(key, stored)
    return stored
  }

  const rewriteOf = (nesting: number, mended: (text: string) => string): Rewrite => ({
    key: (key) => mended(storedKey(key)),
    value: byKey,
    text: (sent) => redactText(mended(sent), nesting),
    number: (sent) => (sent > 1e14 && isCard(String(sent), true) ? hide(String(sent)) : sent),
  })
  const plain = rewriteOf(0, (text) => text)
  const mending = rewriteOf(0, mend)

  return {
    rewrite: (escapes) => (escapes ? mending : plain),
    address,
    userAgent,
    declines: ({ dnt, gpc }) => (config.RESPECT_DNT && dnt === '1') || (config.RESPECT_GPC && gpc === '1'),
  }
}

const storedTextsMax = 5_000
const storedTextCharsMax = 300

const storedKeysMax = 5_000
const storedKeyCharsMax = 100

/** Ids of people: an e-mail address or a telephone number among them is hashed, so that identity still works. */
const identityKeys = new Set([
  ...['userId', 'user_id', 'uid', 'visitorId', 'visitor_id', 'anonymousId', 'anonymous_id', 'previousId', 'customerId'],
  ...['customer_id', 'accountId', 'account_id', 'memberId', 'distinctId', 'distinct_id', 'sessionId'],
])
const addressKeys = new Set(['ip', 'ipAddress', 'ip_address', 'clientIp', 'client_ip', 'remoteAddress', 'remote_addr'])
const userAgentKeys = new Set(['userAgent', 'user_agent', 'ua'])

/** `{name: "password", value: …}` and `{type: "email", value: …}`, as forms are often reported. */
const isPrivateField = (field: JsonObject, isPrivateKey: (key: string) => boolean): boolean =>
  ['name', 'id', 'key', 'field', 'type', 'label'].some((naming) => {
    const name = field[naming]
    return typeof name === 'string' && name.length <= 100 && isPrivateKey(name)
  })

const looksLikeJson = /^\s*[{[]/
const parsedJson = (text: string): ParsedJson | undefined => {
  if (!looksLikeJson.test(text)) return undefined
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}
type ParsedJson = ReturnType<typeof parseJson>

/** NUL and lone surrogates, which neither PostgreSQL's json nor any UTF-8 file can hold, become U+FFFD. */
const mend = (text: string): string => (unstorable.test(text) ? text.replace(/[\0\p{Surrogate}]/gu, '\uFFFD') : text)
const unstorable = /[\0\p{Surrogate}]/u
