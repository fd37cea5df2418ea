import type { QualityVerdict } from '../report.ts'
import { blocks, bullets, callout, type Markdown, md, printed, raw, table } from './markdown.ts'
import { words } from './metric-titles.ts'
import { printFact } from './print-fact.ts'

const marks = { green: 'in order', amber: 'to be looked at', red: 'not in order', unknown: 'cannot be said' } as const

/** Said at the top of a note whose figures rest on tracking that is not in order. */
export const qualityCallout = (quality: QualityVerdict): Markdown | null => {
  if (quality.level === 'green') return null
  const wrong = quality.checks.filter(({ level }) => level === 'red' || level === 'amber')
  return callout(
    quality.level === 'red' ? 'danger' : 'warning',
    md(quality.level === 'red' ? 'Not judged: the tracking is not in order' : 'Tracking is to be looked at'),
    blocks(
      quality.vetoes.includes('alerts') && md('No alert is raised from these figures.'),
      bullets(
        wrong.map(({ check, level, fact }) => md(`${words(check)}: ${printed(printFact(fact))}, ${marks[level]}`)),
      ),
    ),
  )
}

export const qualityTable = ({ checks, level }: QualityVerdict): Markdown =>
  blocks(
    md(`Tracking is ${marks[level]}.`),
    table(
      [
        { title: 'Check' },
        { title: 'Value', isNumber: true },
        { title: 'n', isNumber: true },
        { title: 'Verdict' },
        { title: 'Why' },
      ],
      checks.map(({ check, level: one, fact }) => [
        raw(words(check)),
        printed(printFact(fact)),
        printed(printFact(fact, 'sample')),
        md(marks[one]),
        fact.notEnoughHistory === undefined ? md('') : raw(fact.notEnoughHistory),
      ]),
    ),
  )
