import type { Problem } from './chain.ts'
import { count } from './render.ts'
import type { VerifyReport } from './verify.ts'

export type VerifyOutcome = {
  destinations: VerifyReport[]
  parity: { problems: Problem[]; behind: number[] } | null
}

const number = (value: number): string => value.toLocaleString('en-US')
const problemsShownMax = 50

/** The outcome of a verification, for people. */
export const renderVerify = ({ destinations, parity }: VerifyOutcome): string => {
  const lines: string[] = []
  for (const one of destinations) {
    lines.push(
      one.place,
      `  ${count(one.manifests, 'manifest')}, ${count(one.objects, 'object')}, ${count(one.bytes, 'byte')}, ${count(one.events, 'event')} (${number(one.erased)} erased)`,
      ...one.starts.map((start) => `  node ${start.node}, epoch ${start.epoch}: from part ${start.part}`),
    )
    if (one.expired > 0)
      lines.push(
        one.expired === 1
          ? '  1 part has expired: its manifest stays, its files were deleted'
          : `  ${number(one.expired)} parts have expired: their manifests stay, their files were deleted`,
      )
    if (one.quarantined > 0)
      lines.push(
        one.quarantined === 1
          ? '  1 part is quarantined: it says so, and holds no files'
          : `  ${number(one.quarantined)} parts are quarantined: they say so, and hold no files`,
      )
    if (one.pending.length > 0)
      lines.push(
        `  ${count(one.pending.length, 'object')} after the newest manifest: under way, or the manifest is missing`,
      )
    for (const { kind, key, message } of one.problems.slice(0, problemsShownMax))
      lines.push(`  WRONG  ${kind}: ${key} ${message}`)
    if (one.problems.length > problemsShownMax) lines.push(`  … ${number(one.problems.length - problemsShownMax)} more`)
    lines.push(
      one.problems.length > 0
        ? `  ${count(one.problems.length, 'problem')}`
        : one.manifests === 0
          ? '  Nothing has been delivered yet.'
          : `  ${one.full ? 'Every byte' : 'Everything'} is as the manifests say${one.full ? '' : ' (sizes and kept checksums; --full reads every byte)'}.`,
    )
  }
  if (parity && destinations.some((one) => one.manifests > 0)) {
    const [first = 0, second = 0] = parity.behind
    for (const { key, message } of parity.problems.slice(0, problemsShownMax)) lines.push(`WRONG  ${key} ${message}`)
    lines.push(
      parity.problems.length > 0
        ? `The destinations differ in ${count(parity.problems.length, 'manifest')}.`
        : first + second > 0
          ? `The destinations agree; one is ${count(Math.max(first, second), 'part')} behind.`
          : 'The destinations agree.',
    )
  }
  return `${lines.join('\n')}\n`
}
