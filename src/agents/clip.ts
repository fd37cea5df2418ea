import { createHash } from 'node:crypto'

/** Longest texts that are kept from events, in characters: anybody may send them. */
export const textLimits = { path: 300, label: 120, element: 80, id: 120, traitName: 40, traitValue: 200 } as const

/**
 * An id as it is kept: a longer one is cut, and a hash of the whole stands for the rest, so that different ids stay
 * different. Several ids of four-byte characters must fit into one row of an index (2,704 bytes).
 */
export const shortId = (id: string): string => {
  if (id.length <= textLimits.id) return id
  const hash = createHash('sha256').update(id).digest('hex').slice(0, 24)
  return `${(clip(id, textLimits.id - 26) ?? '').slice(0, -1)}~${hash}`
}

/** The text, cut to a length, without a half surrogate at the cut; null for anything that is no text, or an empty one. */
export const clip = (value: unknown, charsMax: number): string | null => {
  if (typeof value !== 'string' || value === '') return null
  if (value.length <= charsMax) return value
  const last = value.charCodeAt(charsMax - 1)
  return `${value.slice(0, last >= 0xd800 && last <= 0xdbff ? charsMax - 1 : charsMax)}…`
}

type Fields = { readonly [key: string]: unknown }
const none: Fields = Object.freeze(Object.create(null))

/** The fields of an object; of anything else, none. Inherited names (`constructor`, `__proto__`) are not fields. */
export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : none

export const fieldOf = (fields: Fields, key: string): unknown => (Object.hasOwn(fields, key) ? fields[key] : undefined)

export const numberOf = (value: unknown): number | null => {
  const number = typeof value === 'string' && value.trim() !== '' && value.length < 40 ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : null
}
