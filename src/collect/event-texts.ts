import { closingQuote, isLossy } from '../json.ts'

/** Where an object stands in the text that it was parsed from. */
export type EventText = {
  text: string
  /** Keys in it, those of nested objects included, and each as often as it was sent: an object that was parsed has fewer when one came twice. */
  keys: number
  /** It holds a number that a double cannot hold. */
  isLossy: boolean
}
export type BodyTexts = {
  /** The body as a whole. */
  whole: EventText
  /** The elements of its `events`, if it has any and all are objects. */
  events: EventText[] | undefined
  /** A number that a double cannot hold stands beside the events. */
  isLossyBeside: boolean
}

/**
 * Finds each event's own text in a body that `JSON.parse` has read, so that an event which is stored as it was sent need not
 * be written out again, and no number of it changes. Undefined for a body that is no object, that
 * spells a key of its own with escapes, or that has line breaks: a stored event is one line. One pass, by the letters that structure JSON; what stands in strings is jumped over.
 */
export const findTexts = (body: string): BodyTexts | undefined => {
  if (body.includes('\n') || body.includes('\r')) return undefined
  const start = skipBlanks(body, 0)
  if (body.charCodeAt(start) !== openBrace) return undefined
  const found: BodyTexts = { whole: { text: '', keys: 0, isLossy: false }, events: undefined, isLossyBeside: false }
  let at = skipBlanks(body, start + 1)
  while (body.charCodeAt(at) === quote) {
    const keyEnd = closingQuote(body, at)
    // `event\u0073` is `events`, too, and the parser may keep that one.
    if (body.slice(at, keyEnd).includes('\\')) return undefined
    const isEvents = keyEnd - at === eventsKey.length + 1 && body.startsWith(eventsKey, at + 1)
    const from = skipBlanks(body, skipBlanks(body, keyEnd + 1) + 1)
    found.whole.keys++
    if (isEvents && body.charCodeAt(from) === openBracket) {
      const elements = elementsOf(body, from)
      // Of a key that comes twice the parser keeps the last.
      found.events = elements.texts
      found.whole.keys += elements.keys
      found.whole.isLossy ||= elements.isLossy
      at = elements.end
    } else {
      if (isEvents) found.events = undefined
      const value = measure(body, from)
      found.whole.keys += value.keys
      found.isLossyBeside ||= value.isLossy
      at = value.end
    }
    at = skipBlanks(body, at)
    if (body.charCodeAt(at) === comma) at = skipBlanks(body, at + 1)
  }
  found.whole.isLossy ||= found.isLossyBeside
  found.whole.text = start === 0 && at === body.length - 1 ? body : body.slice(start, at + 1)
  return found
}

const eventsKey = 'events'
const [quote, comma, openBrace, closeBrace, openBracket, closeBracket, colon, minus, zero, nine] = [
  ...['"', ',', '{', '}', '[', ']', ':', '-', '0', '9'].map((letter) => letter.charCodeAt(0)),
] as [number, number, number, number, number, number, number, number, number, number]

type Measured = { end: number; keys: number; isLossy: boolean }

const elementsOf = (body: string, from: number): Measured & { texts: EventText[] | undefined } => {
  const all: Measured = { end: 0, keys: 0, isLossy: false }
  let texts: EventText[] | undefined = []
  let at = skipBlanks(body, from + 1)
  while (body.charCodeAt(at) !== closeBracket) {
    const { end, keys, isLossy } = measure(body, at)
    if (body.charCodeAt(at) !== openBrace) texts = undefined
    texts?.push({ text: body.slice(at, end), keys, isLossy })
    all.keys += keys
    all.isLossy ||= isLossy
    at = skipBlanks(body, end)
    if (body.charCodeAt(at) === comma) at = skipBlanks(body, at + 1)
  }
  return { ...all, end: at + 1, texts }
}

/** The value that begins here. */
const measure = (body: string, from: number): Measured => {
  let depth = 0
  let keys = 0
  let lossy = false
  let at = from
  do {
    const letter = body.charCodeAt(at)
    if (letter === quote) at = closingQuote(body, at) + 1
    else if (letter === openBrace || letter === openBracket) {
      depth++
      at++
    } else if (letter === closeBrace || letter === closeBracket) {
      depth--
      at++
    } else if (letter === minus || (letter >= zero && letter <= nine)) {
      const end = tokenEnd(body, at)
      if (!lossy && end - at > plainDigitsMax) lossy = isLossy(body.slice(at, end))
      at = end
    } else if (letter === colon) {
      keys++
      at++
    } else if (depth === 0) at = tokenEnd(body, at)
    else at++
  } while (depth > 0)
  return { end: at, keys, isLossy: lossy }
}

/** A number of so few characters is lossy only by its exponent, which takes three more. */
const plainDigitsMax = 2

const tokenEnd = (body: string, from: number): number => {
  let at = from
  while (at < body.length) {
    const letter = body.charCodeAt(at)
    if (letter === comma || letter === closeBrace || letter === closeBracket || letter <= 32) break
    at++
  }
  return at
}

const skipBlanks = (body: string, from: number): number => {
  let at = from
  while (body.charCodeAt(at) <= 32) at++
  return at
}
