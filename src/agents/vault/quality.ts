import type { QualityCheck, QualityVerdict } from '../report.ts'
import { blocks, bullets, callout, type Markdown, md, printed, raw, table } from './markdown.ts'
import { words } from './metric-titles.ts'
import { printFact } from './print-fact.ts'

const marks = { green: 'in order', amber: 'to be looked at', red: 'not in order', unknown: 'cannot be said' } as const

/** What a person can do about a check that is not in order. */
const advice: Readonly<Record<QualityCheck['check'], string>> = {
  volume: 'compare with releases, campaigns and outages of this day',
  loss: 'look for an old tracking script, and for pages that end before they have sent',
  clock_skew: 'look for senders whose clocks are wrong',
  late: 'they came more than an hour after they happened, as from an import, from telephones that were offline or from a spool; they are in the figures',
  duplicates: 'look whether the tracking script is on the page twice, or a sender tries again with new ids',
  rejects: 'read the codes of what was rejected, and mend the sender',
  bots: 'look which agents came; they are in no visit',
  consent: 'nothing to do',
  silence: 'open the site and look whether the tracking script is still in its pages',
  missing_events: 'look whether a release took them away',
  unread: 'the disk was full before they were read: give it room',
}

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
        wrong.map(({ check, level, fact }) =>
          md(`${words(check)}: ${printed(printFact(fact))}, ${marks[level]}; ${advice[check]}`),
        ),
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
