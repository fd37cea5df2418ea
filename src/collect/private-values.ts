/**
 * Values that are private wherever they stand: in any text of an event, a title, a path, a query, a fragment or a key. This
 * file is the one place of the patterns; test/collect/privacy.test.ts holds the corpus that they are judged by,
 * look-alikes (UUIDs, timestamps, order numbers, EANs, coordinates …) included.
 */
export type PrivateValue = {
  name: string
  find: RegExp
  /** Stands in every text that `find` can match: looked for first, for it is found or missed at once. */
  hint: RegExp
  /** What must stand right before the find, and is hidden with it. */
  before?: RegExp
  /** Refuses what only looks alike. */
  valid?: (found: string) => boolean
}

/** Endings that follow an @ in file names (`icon@2x.png`), never in an address. */
const fileEndings = /\.(?:png|jpe?g|gif|webp|avif|svg|css|js|mjs|ts|map|html?|json|woff2?|mp4|pdf|zip)$/i

const digitsOf = (text: string): string => text.replace(/%20|\D/gi, '')

export const privateValues: readonly PrivateValue[] = [
  { name: 'user and password in an address', hint: /:\/\/[^/]*@/, find: /(?<=[a-z]:\/\/)[^/?#\s"'<>@]{1,200}(?=@)/gi },
  { name: 'JSON web token', hint: /eyJ/, find: /\beyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)*/g },
  { name: 'bearer token', hint: /bearer/i, find: /(?<=\bbearer(?:\s|%20|\+))[\w.~+/-]{16,}=*/gi },
  {
    name: 'basic credentials',
    hint: /basic/i,
    find: /(?<=\bauthorization["']?\s{0,3}[:=]\s{0,3}["']?basic\s)[\w+/=-]{6,}/gi,
  },
  {
    name: 'key of a known service',
    hint: /[sr]k_|sk-|AKIA|gh[pousr]_|xox|AIza|glpat|whsec/,
    find: /\b(?:[sr]k_(?:live|test)_\w{10,}|sk-[\w-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{30,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{35}|glpat-[\w-]{20,}|whsec_[\w+/=-]{16,})/g,
  },
  {
    name: 'private key',
    hint: /PRIVATE KEY/,
    find: /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g,
  },
  {
    name: 'e-mail address',
    hint: /[@＠]|%40|%2540/,
    // The @ is looked for first and the name before it second: the other way round every letter would be a beginning.
    before: /(?:[\p{L}\p{N}._+'-]|%(?!40|25|[013][0-9a-f]|2[0-9acf]|5[bde]|7[bd])[0-9a-f]{2})+$/iu,
    // Names of hosts may have marks and emoji, too.
    find: /(?:@|%40|%2540|＠)(?:[\p{L}\p{N}\p{M}\p{So}\p{Cf}-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{2,59}|\p{L}{2,24})/giu,
    valid: (found) => !fileEndings.test(found),
  },
  {
    name: 'IBAN',
    hint: /[A-Za-z]{2}\d\d/,
    find: /(?<![A-Za-z0-9_-])[A-Z]{2}\d{2}(?:(?:[ +]|%20)?[A-Z0-9]{4}){2,7}(?:(?:[ +]|%20)?[A-Z0-9]{1,4})?(?![A-Za-z0-9])/gi,
    valid: (found) => isIban(found.replace(/%20|[ +]/g, '').toUpperCase()),
  },
  {
    name: 'payment card',
    hint: /\d{4}/,
    find: /(?<![A-Za-z0-9]|\d[-.])(?:\d{15,19}|\d{4}((?:[-._+\s\u00a0\u202f]|%20){1,2})(?:\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{6}\1\d{4,5}))(?![A-Za-z0-9]|[-.]\d)/gi,
    valid: (found) => isCard(digitsOf(found), /^\d+$/.test(found)),
  },
  {
    name: 'social security number',
    hint: /\d{3}[- ]\d\d[- ]\d{4}/,
    find: /(?<![\w.-]|\d )(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-]|\.\d| \d)/g,
  },
  {
    name: 'international telephone number',
    hint: /[+]|%2B/i,
    find: /(?<![\w+%.])(?:\+|%2B)[1-9]\d{0,3}(?:(?:[\s()./-]|%20){0,3}\d){6,12}(?!\w|\.\d)/gi,
    // +48.137154 is a coordinate.
    valid: (found) => !/^(?:\+|%2B)\d+\.\d+$/i.test(found),
  },
  {
    name: 'telephone number behind 00',
    hint: /00[1-9]/,
    find: /(?<![\w.-])00[1-9]\d{0,2}[ /-]\d{2,4}[ /-]\d{3,8}(?![\w-])/g,
  },
  {
    name: 'North American telephone number',
    hint: /\d{3}[-.)\s%]/,
    find: /(?<![\w.+\-/(]|\d )(?:\+?1[-. ])?(?:\([2-9]\d{2}\)(?:\s|%20)?[2-9]\d{2}[-. ]|[2-9]\d{2}([-.])[2-9]\d{2}\1)\d{4}(?![\w-]|\.\d)/g,
  },
  {
    name: 'national telephone number with its leading zero',
    hint: /0[1-9]/,
    find: /(?<![\w.+/:-])(?:0[1-9]\d{1,4}[ /]\d{3,4} ?\d{3,5}|\(0[1-9]\d{1,4}\) ?\d{3,4} ?\d{2,5}|01[5-7]\d{1,2}-\d{6,8}|0[1-9](?:[ .]\d\d){4})(?![\w-]|\.\d|:\d)/g,
  },
  { name: 'telephone link', hint: /tel:/i, find: /(?<=\btel:)(?:\/\/)?[+\d][\d().\-\s%]{4,20}/gi },
]

/** True where one of the patterns might match: nearly every text of an event ends here. */
export const mayBePrivate = (text: string): boolean => text.length > 5 && hint.test(text) && !isoInstant.test(text)
const hint =
  /[@＠=]|%40|%2540|:\/\/|\d[\d\s().+\-/._%\u00a0\u202f]{6,}\d|\beyJ|tel:|[A-Z]{2}\d\d|bearer|basic|PRIVATE KEY|[sr]k[_-]|AKIA|gh[pousr]_|xox|AIza|glpat|whsec/i
const isoInstant = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/

/** Hides every private value in a text. `hide` answers what stands in its place. */
export const hideValues = (text: string, hide: (found: string) => string): string => {
  let hidden = text
  for (const pattern of privateValues) if (pattern.hint.test(hidden)) hidden = hideOne(hidden, pattern, hide)
  return hidden
}

/** Characters before a find that are looked at: the longest name of an e-mail address (RFC 5321), percent-encoded. */
const beforeCharsMax = 3 * 64

const hideOne = (text: string, { find, before, valid }: PrivateValue, hide: (found: string) => string): string => {
  let hidden = ''
  let end = 0
  find.lastIndex = 0
  for (let match = find.exec(text); match; match = find.exec(text)) {
    const left = before?.exec(text.slice(Math.max(end, match.index - beforeCharsMax), match.index))?.[0]
    if (before && left === undefined) continue
    const start = match.index - (left?.length ?? 0)
    const found = text.slice(start, find.lastIndex)
    if (valid && !valid(found)) continue
    hidden += text.slice(end, start) + hide(found)
    end = find.lastIndex
  }
  return end === 0 ? text : hidden + text.slice(end)
}

/** True for a text that is nothing but an e-mail address or a telephone number. */
export const isContact = (text: string): boolean => {
  const trimmed = text.trim()
  if (trimmed.length < 6 || trimmed.length > 254 || !mayBePrivate(trimmed)) return false
  return contactPatterns.some((pattern) => hideOne(trimmed, pattern, () => '') === '')
}
const contactPatterns = privateValues.filter(({ name }) => /e-mail|telephone/.test(name))

/** Number ranges of the card schemes (ISO/IEC 7812), and the check digit. An EAN-13 or a Shopify id is neither. */
export const isCard = (digits: string, unseparated: boolean): boolean => {
  const scheme =
    (/^4/.test(digits) && (digits.length === 16 || digits.length === 19)) ||
    (/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/.test(digits) && digits.length === 16) ||
    (/^3[47]/.test(digits) && digits.length === 15) ||
    (/^(?:6011|65|64[4-9])/.test(digits) && digits.length === 16) ||
    (/^35(?:2[89]|[3-8])/.test(digits) && digits.length === 16) ||
    (/^62/.test(digits) && digits.length >= 16 && digits.length <= 19) ||
    (/^3(?:0[0-5]|[68])/.test(digits) && digits.length === 14 && !unseparated)
  return scheme && !/^(\d)\1+$/.test(digits) && hasLuhnDigit(digits)
}

const hasLuhnDigit = (digits: string): boolean => {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i])
    const doubled = i % 2 === 0 ? digit : digit * 2
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

/** ISO 13616: the first four characters moved to the end, letters as numbers, modulo 97 is 1. */
/** Lengths by country, of the SWIFT registry of IBANs; a random id that passes the check digits has rarely one of them. */
const ibanLengths: Record<number, string> = {
  15: 'NO',
  16: 'BE',
  18: 'DK FI FO GL NL SD',
  19: 'MK SI',
  20: 'AT BA EE KZ LT LU MN XK',
  21: 'CH HR LI LV',
  22: 'BG BH CR DE GB GE IE ME RS VA',
  23: 'AE GI IL IQ OM SO TL',
  24: 'AD CZ ES MD PK RO SA SE SK TN VG',
  25: 'LY PT ST',
  26: 'IS TR',
  27: 'BI DJ FR GR IT MC MR SM',
  28: 'AL AZ BY CY DO GT HN HU LB NI PL SV',
  29: 'BR EG PS QA UA',
  30: 'JO KW MU YE',
  31: 'MT SC',
  32: 'LC',
  33: 'RU',
}
const isIban = (text: string): boolean => {
  if (!ibanLengths[text.length]?.split(' ').includes(text.slice(0, 2))) return false
  let rest = 0
  for (const char of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(char, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}
