import { textChars } from './draft.ts'
import { calendar, causes, isNumberWord, judgements, madeUpNames } from './lexicon.ts'
import { bare, wordsOf } from './words.ts'

/** Latin letters, single spaces and the marks of a sentence. What is not here cannot be markup, a link or a digit. */
const plainText = /^[\p{Script=Latin}\p{M} .,;:'’"“”()!?–—-]*$/u
/** `::` makes metadata, `--` rules, `..` an ellipsis: no mark comes twice in a row. */
const doubledMark = /([^\p{L}\p{M} ])\1/u
/** `www.example.com` is a link wherever one is looked for; so is `javascript:` without a space. */
const address = /\p{L}\.\p{L}|\p{L}:\p{L}/u

/** What is wrong with words as such, in sentences that the model is told; empty when all is well. */
export const checkText = (raw: string): string[] => {
  const text = raw.normalize('NFKC')
  if (raw.length > textChars) return [`A text is longer than ${textChars} characters.`]
  if (/\p{N}/u.test(text)) return ['A text has a digit in it. Refer to a fact instead.']
  if (!plainText.test(text)) return ['A text has a character other than letters, spaces and plain punctuation.']
  if (doubledMark.test(text) || address.test(text))
    return ['A text has markup, a link, or marks without a space between them.']
  const words = wordsOf(text)
  const found = (what: string, is: (word: string) => boolean): string[] =>
    words
      .filter(is)
      .slice(0, 5)
      .map((word) => `"${word.slice(0, 30)}" ${what}`)
  return [
    ...found('is a number or a quantity: refer to a fact instead.', isNumberWord),
    ...found('is a judgement: say higher, lower or unchanged, beside the fact.', (word) => judgements.has(bare(word))),
    ...found('states a cause: figures only coincide.', (word) => causes.has(bare(word))),
    ...found('is a time: the note has its own.', (word) => calendar.has(bare(word))),
    ...found('is a name: refer to it.', (word) => madeUpNames.has(bare(word))),
  ]
}
