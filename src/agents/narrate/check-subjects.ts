import type { Fact } from '../fact.ts'
import { familyOf, noChange } from './lexicon.ts'
import type { Sentence } from './sentence.ts'
import { directionsOf, saysSuperlative } from './vocabulary.ts'
import { wordSet } from './words.ts'

/** What is counted, and what it is counted of. */
const counted = wordSet(`
  session sessions visit visits visitor visitors people members order orders revenue sales takings money conversion conversions
  dropoff dropoffs loss events views pageviews clicks errors scripts forms entries exits searches journeys paths credit
  attention activity time share rate number count total average median figure figures value values
`)
const places = wordSet(`
  site website day page pages campaign campaigns source sources channel channels device devices browser browsers query queries
  term terms element elements step steps funnel segment cohort cohorts model models
`)
/** Of these a change could be claimed beside the figure of another metric. */
const metrics = wordSet(
  'sessions visits visitors people members orders revenue conversion conversions events views pages errors',
)

const joints = /([,.;:!?()]+|\b(?:and|but|or|while|too|also|together|alongside|where|with)\b)/
/** What follows them has what was said said of it, too. */
const joining = /and|but|or|while|too|also|together|alongside/
type Part = { readonly text: string; readonly isJoined: boolean }

/**
 * What a sentence says of a change it says of the figure that it prints, and of nothing else: `Conversion rose to 3 %,
 * and orders too` would say of orders what no figure bears out.
 */
export const checkSubjects = (sentence: Sentence): string[] => {
  const { words, text, printed } = sentence
  const saysChange = directionsOf(words).length > 0 || text.search(noChange) >= 0 || saysSuperlative(words)
  if (!saysChange || printed.length === 0) return []
  const facts = printed.map(({ seen }) => seen.fact)
  const isRight = partsOf(sentence.marked).every((part) => !isUnprinted(part) && !isOther(part.text, facts))
  return isRight ? [] : ['A change is said of something without a figure: say it of what the figure counts, alone.']
}

const partsOf = (marked: string): Part[] => {
  const parts: Part[] = []
  let isJoined = false
  for (const [at, text] of marked.split(joints).entries())
    if (at % 2 === 1) isJoined ||= joining.test(text)
    else if (text.trim() !== '') {
      parts.push({ text: text.trim(), isJoined })
      isJoined = false
    }
  return parts
}

/** `…, and sessions too`, `… and on the site`. */
const isUnprinted = ({ text, isJoined }: Part): boolean => {
  if (!isJoined || /[#%=&]/.test(text)) return false
  const words = text.split(' ')
  return words.some((word) => counted.has(word)) || (!text.includes('@') && words.some((word) => places.has(word)))
}

/** Whether a part of a sentence is about another metric than that of its figures. */
const isOther = (text: string, facts: readonly Fact[]): boolean => {
  const family = facts[0] && familyOf(facts[0].metric)
  if (!family) return false
  const isOwn = (word: string): boolean => family.nouns.test(word)
  const words = text.replace(shareOf, '#').split(/[^\p{L}#@]+/u)
  const own = words.findIndex(isOwn)
  return words.some((word, at) => {
    if (!metrics.has(word) || !family.beside.has(word) || isOwn(word) || isOwn(words[at - 1] ?? '')) return false
    if (own < 0) return !family.nouns.test(text)
    return at < own ? isGoverning(words.slice(at + 1, own)) : isClause(words.slice(at + 1), isOwn)
  })
}
/** `30 of the sessions`, `of the sessions, …` */
const shareOf = /(?:# of (?:(?:the|these|those) )?\p{L}+|^of (?:(?:the|these|those) )?\p{L}+$)/u

/** `orders at a higher conversion`: what is between them makes the own word something that the other has. */
const isGoverning = (between: readonly string[]): boolean => {
  const last = between.filter((word) => !articles.has(word) && directionsOf([word]).length === 0).at(-1)
  return last !== undefined && prepositions.has(last)
}
const articles = wordSet('the a an its their')
const prepositions = wordSet('at to from for by against on in of')

/** `from orders that rose` */
const isClause = ([first = '', ...rest]: readonly string[], isOwn: (word: string) => boolean): boolean =>
  ['that', 'which', 'who'].includes(first) && !rest.some(isOwn)
