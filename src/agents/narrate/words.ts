/** A list of words as people write it. */
export const wordSet = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/** Lower case, without accents. */
export const bare = (word: string): string => word.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')
/** What is written between spaces and marks. `drop-off` is a figure and no direction. */
export const wordsOf = (text: string): string[] =>
  text
    .replace(/\bdrop-?\s?offs?\b/gi, ' ')
    .split(/[^\p{L}\p{M}]+/u)
    .filter((word) => word !== '')
