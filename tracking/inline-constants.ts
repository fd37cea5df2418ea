import { readFileSync } from 'node:fs'
import type { Plugin } from 'esbuild'

/** A named number at the top of a file: `const answerMs = 30_000`. */
const constant = /^const (\w+) = ([\d_][\d_ *]*)$/gm

/**
 * Writes named numbers where they are used. Names and units cost nothing then: esbuild keeps top-level names when it
 * bundles, which made the pixel 50 bytes larger.
 */
export const inlineConstants: Plugin = {
  name: 'inline-constants',
  setup(build) {
    build.onLoad({ filter: /\/pixel\/[\w-]+\.ts$/ }, ({ path }) => ({
      contents: inlined(readFileSync(path, 'utf8')),
      loader: 'ts',
    }))
  },
}

export const inlined = (source: string): string => {
  let text = source
  for (const [line, name, value] of source.matchAll(constant))
    text = text.replace(line, '').replace(new RegExp(`(?<![.\\w])${name}(?!\\w)`, 'g'), `(${value})`)
  return text
}
