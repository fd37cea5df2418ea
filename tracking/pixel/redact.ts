/** Values of keys so named are private, whatever they look like. Not `name`, `page` or `message`: those are everywhere. */
const privateName =
  /passw|pwd|secret|token|api.?key|auth(?!or)|cred|card.?n|cv[vc]|iban|ssn|social|mail|phone|^tel|birth|addr|street|postal|zip|(first|last|full|sur|user).?name/i

/**
 * A mail address, a phone number, a social security number, the digits of a card; also percent-encoded. Every repetition has
 * an end, or nothing to try again behind it: otherwise a long text would hold up the page.
 */
const privateValue =
  /[^\s/?&=@]{1,64}(@|%40)[^\s/?&=@]{1,64}\.[a-z]+|(\+|%2b)\d[\d ().%-]{7,}\d|\(?\b\d{3}\)?[ .-]\d{2,3}[ .-]\d{4}\b|\b0\d{2,4}[ /-]\d[\d -]{3,}\d|\b\d((%20|[ -])?\d){12,18}\b/gi

const redacted = '[REDACTED]'
/** Longest text kept of any value, in characters; twice as much is looked at, so that nothing is cut before it is seen. */
const textCharsMax = 2000

export const redactText = (text: string): string =>
  text
    .slice(0, 2 * textCharsMax)
    .replace(privateValue, (found, _at, _plus, card) => (card && !hasCheckDigit(found) ? found : redacted))
    .slice(0, textCharsMax)

/** The check digit (Luhn) tells a card from an order, a parcel or a time of the same length. */
const hasCheckDigit = (text: string): boolean => {
  let sum = 0
  let even = false
  for (const digit of [...text.replace(/%20|\D/g, '')].reverse()) {
    sum += +(even ? ('0246813579'[+digit] as string) : digit)
    even = !even
  }
  return sum % 10 === 0
}

export const { stringify } = JSON

/**
 * JSON text of a value with everything private replaced, in ASCII, so that its length is its bytes. It looks at the values
 * themselves, not at what a `toJSON` made of them: a page that gives arrays a `toJSON` (Prototype.js does) damages nothing.
 */
export const redactedJson = (root: unknown): string =>
  stringify(root, function (this: Record<string, unknown>, key) {
    const value = this[key]
    if (!value || value === true || typeof value === 'function') return value
    if (privateName.test(key)) return redacted
    if (typeof value === 'object') return value instanceof Date ? value.toISOString() : value
    const text = redactText(`${value}`)
    return typeof value === 'number' && text !== redacted ? value : text
  }).replace(/[^ -~]/g, (unit) => `\\u${(unit.charCodeAt(0) + 65536).toString(16).slice(1)}`)
