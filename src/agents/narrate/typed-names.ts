import type { FactDimension } from '../fact.ts'
import { plainOf } from './sentence.ts'
import type { View } from './view.ts'

/** Names of these may be typed instead of referred to; of others they are numbers, or words that mean something else. */
const typedDimensions: readonly FactDimension[] = [
  'funnel',
  'step',
  'segment',
  'model',
  'visitor_kind',
  'channel',
  'device',
  'rfm_segment',
]
/** Closed words that every text has. */
const everydayWords = new Set(['other', 'first', 'last'])
const charsMin = 4

/** A name as it is looked for in a marked text, where it may be typed: whole, and long enough to be no other word. */
export const typedName = (dimension: FactDimension, value: string): string | undefined => {
  const name = plainOf(value).replace(/\s+/g, ' ').trim()
  return typedDimensions.includes(dimension) && name.length >= charsMin && !everydayWords.has(name) ? name : undefined
}

/** A marked text with a mark for each name that is typed in it, as if it were referred to. */
export const withNamesMarked = (marked: string, view: View): string => {
  const names = namesOf(view)
  return names === undefined ? marked : marked.replace(names, '@')
}

const namesOf = (view: View): RegExp | undefined => {
  if (known.has(view)) return known.get(view)
  const names = new Set(
    [view.shared.about, ...view.facts.map(({ about }) => about)].flatMap((about) =>
      (Object.entries(about) as [FactDimension, string][]).flatMap((entry) => typedName(...entry) ?? []),
    ),
  )
  // The longest first: `form sent` is not `form`.
  const sorted = [...names]
    .sort((a, b) => b.length - a.length)
    .map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  const found = sorted.length === 0 ? undefined : new RegExp(`(?<!\\p{L})(?:${sorted.join('|')})(?!\\p{L})`, 'gu')
  known.set(view, found)
  return found
}
const known = new WeakMap<View, RegExp | undefined>()
