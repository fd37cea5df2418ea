import { createHash } from 'node:crypto'
import type { Region } from './note.ts'

/**
 * Managed regions: lines between `%% evothesis:begin NAME v1 sha=… %%` and `%% evothesis:end NAME %%`, both hidden by
 * Obsidian outside of the editing view. The hash is that of what stands between them, so that a region which a person
 * changed is known by the file alone. All other bytes of a note are the person's.
 */
export type FoundRegion = {
  name: string
  /** Offsets in the text: of the begin fence, of the body, of the end fence, and after it. */
  start: number
  bodyStart: number
  bodyEnd: number
  end: number
  sha: string
  body: string
  /** As we left it. */
  isOurs: boolean
}

const fence = /^%% evothesis:(begin|end) ([a-z_]+(?:\.new)?)(?: v1 sha=([0-9a-f]{16}))? %%[ \t]*\r?$/gm

/** Of the text with line ends as on Unix: another editor's line ends are no change. */
export const regionSha = (body: string): string =>
  createHash('sha256').update(body.replace(/\r\n?/g, '\n').trim()).digest('hex').slice(0, 16)

/** A region as it is written, without a line end after it. Blank lines inside: a table would take the fence for a row. */
export const regionText = ({ name, body }: Region, eol = '\n'): string =>
  [
    `%% evothesis:begin ${name} v1 sha=${regionSha(body)} %%`,
    '',
    ...body.trim().split('\n'),
    '',
    `%% evothesis:end ${name} %%`,
  ].join(eol)

/** The first whole region of each name, in the order of the text, and names of fences that have no partner. */
export const findRegions = (text: string): { regions: FoundRegion[]; broken: Set<string> } => {
  const fences = [...text.matchAll(fence)]
  const regions = new Map<string, FoundRegion>()
  const broken = new Set<string>()
  for (let at = 0; at < fences.length; at++) {
    const begin = fences[at]
    const end = fences[at + 1]
    const [line = '', kind, name = '', sha = ''] = begin ?? []
    if (kind !== 'begin' || sha === '' || end?.[1] !== 'end' || end[2] !== name) {
      broken.add(name)
      continue
    }
    at++
    if (regions.has(name)) continue
    const start = begin?.index ?? 0
    const bodyStart = Math.min(start + line.length + 1, end.index)
    const body = text.slice(bodyStart, end.index)
    regions.set(name, {
      ...{ name, start, bodyStart, bodyEnd: end.index, end: end.index + end[0].replace(/\r$/, '').length, sha, body },
      isOurs: regionSha(body) === sha,
    })
  }
  for (const name of regions.keys()) broken.delete(name)
  return { regions: [...regions.values()].sort((a, b) => a.start - b.start), broken }
}
