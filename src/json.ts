import { randomUUID } from 'node:crypto'

/** Digits of a number, and its exponent: readers of the files (NUMERIC, DECIMAL, JSON parsers) end about here. */
export const numberDigitsMax = 4000

export type Json = null | boolean | number | string | Json[] | JsonObject
export type JsonObject = { [key: string]: Json }

/**
 * Parses JSON without losing a number. A number that a double cannot hold (9007199254740993, 0.1000000000000000055, 1e400)
 * becomes a marked string, which `writeJson` turns back into the number as it was sent; the mark is random per
 * process, so no sender can forge it. Numbers of more than 4,000 digits, or with such an exponent, become strings.
 *
 * The mark goes into the text and the engine's own parser reads it: that one has no recursion to overflow, and a text
 * without wide numbers, nearly every one, costs a single scan. Throws SyntaxError where JSON.parse does.
 */
export const parseJson = (text: string): { value: Json; marked: boolean } => {
  if (!holdsLossyNumber(text)) return { value: JSON.parse(text) as Json, marked: false }
  return { value: JSON.parse(markNumbers(text)) as Json, marked: true }
}

/** One line of JSON: no raw CR or LF, no duplicate key; `marked` as `parseJson` answered. */
export const writeJson = (value: Json, marked: boolean): string => {
  const text = JSON.stringify(value)
  return marked ? text.replace(markedNumber, '$1') : text
}

/** The digits of a number that was marked, or undefined for any other text. */
export const markedDigits = (text: string): string | undefined =>
  text.startsWith(mark) ? text.slice(mark.length) : undefined

const mark = `#number-${randomUUID()}#`
const markedNumber = new RegExp(`"${mark}([^"]*)"`, 'g')

/** Tokens of 16 digits or more, or with an exponent, where a value may stand; in strings only by accident. */
const wideNumber = /(?<=[:,[\s]|^)-?(?:[\d.]{16,}|[\d.]+[eE])[\d.eE+-]*/g

/** Without a look-behind, and so twice as quick: most texts have neither, inside of strings included. */
const perhapsWide = /[\d.]{16}|\d[eE][-+\d]/

const holdsLossyNumber = (text: string): boolean => {
  if (!perhapsWide.test(text)) return false
  wideNumber.lastIndex = 0
  for (let match = wideNumber.exec(text); match; match = wideNumber.exec(text)) if (isLossy(match[0])) return true
  return false
}

const numberGrammar = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** True for a token whose decimal value differs from that of the double it would become. */
export const isLossy = (token: string): boolean => {
  if (token.length < 16 && !/[eE]/.test(token)) return false
  const double = Number(token)
  if (!Number.isFinite(double)) return numberGrammar.test(token)
  return numberGrammar.test(token) && decimalOf(token) !== decimalOf(String(double))
}

/** Sign, digits without zeros at either end, and exponent: equal for equal values. */
const decimalOf = (token: string): string => {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(token)
  if (!match) return token
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

/** Walks over the text string by string, so that digits in strings are never taken for numbers. */
const markNumbers = (text: string): string => {
  const pieces: string[] = []
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('"', at)
    const end = open === -1 ? text.length : open
    if (end > at) pieces.push(text.slice(at, end).replace(/(-?\d[\d.eE+-]*)(\s*:)?/g, markToken))
    if (open === -1) break
    const close = closingQuote(text, open)
    pieces.push(text.slice(open, close + 1))
    at = close + 1
  }
  return pieces.join('')
}

/** A number before a colon is no JSON; left as it is, the parser says so. */
const markToken = (all: string, token: string, colon: string | undefined): string => {
  if (colon !== undefined || !isLossy(token)) return all
  const digits = token.replace(/[eE].*$/, '').replace(/\D/g, '').length
  const exponent = Math.abs(Number(/[eE]([+-]?\d+)$/.exec(token)?.[1] ?? 0))
  return digits > numberDigitsMax || exponent > numberDigitsMax ? `"${token}"` : `"${mark}${token}"`
}

/** Where the string that opens here closes. */
export const closingQuote = (text: string, open: number): number => {
  for (let close = text.indexOf('"', open + 1); close !== -1; close = text.indexOf('"', close + 1)) {
    let slashes = 0
    while (text[close - 1 - slashes] === '\\') slashes++
    if (slashes % 2 === 0) return close
  }
  return text.length
}
