/** A set of texts that were seen lately: at least the last `textsMax` of them, at most twice as many. */
export const createRecent = (textsMax: number): { has(text: string): boolean; add(text: string): void } => {
  let young = new Set<string>()
  let old = new Set<string>()
  const add = (text: string): void => {
    young.add(text)
    if (young.size < textsMax) return
    old = young
    young = new Set()
  }
  return {
    has(text) {
      if (young.has(text)) return true
      if (!old.has(text)) return false
      add(text)
      return true
    },
    add,
  }
}
