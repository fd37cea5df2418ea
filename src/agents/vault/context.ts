import { hasEnoughPeople } from '../enough-people.ts'
import type { Fact } from '../fact.ts'
import type { QualityVerdict } from '../report.ts'
import type { Markdown } from './markdown.ts'

/** What a note is written with, besides its report. */
export type NoteContext = {
  readonly timeZone: string
  /** A link to a note that is there, else the text alone: a link of ours always leads somewhere. */
  readonly link: (noteId: string, text: string, place?: 'text' | 'table') => Markdown
  readonly exists: (noteId: string) => boolean
}

/** Facts that a narrator may see: about many, and about no single person. */
export const tellable = (facts: readonly (Fact | null)[]): Fact[] => [
  ...new Map(
    facts
      .filter((fact): fact is Fact => fact !== null && fact.isPersonal !== true && hasEnoughPeople(fact))
      .map((fact) => [fact.id, fact]),
  ).values(),
]

/** Figures that are not judged, and those of a day that is under way, are told by the plain text alone: it says so. */
export const judgedFacts = (quality: QualityVerdict, facts: Fact[], isComplete = true): Fact[] =>
  isComplete && !quality.vetoes.includes('judgement') ? facts : []
