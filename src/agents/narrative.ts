import type { Fact, FactDimension } from './fact.ts'

/**
 * The text of a note, in pieces: words, and references to facts. Whoever renders it prints the values and the names, so
 * that neither a number nor a visitor's string is ever typed by a writer.
 */
export type NarrativePiece =
  | { readonly kind: 'text'; readonly text: string }
  /** The fact's value, in the given format. */
  | { readonly kind: 'fact'; readonly factId: string; readonly format: FactFormat }
  /** The name of one dimension of the fact (a page, a campaign …), escaped for its place by the renderer. */
  | { readonly kind: 'name'; readonly factId: string; readonly dimension: FactDimension }

/** How a fact is printed; `value` is the natural way of its unit. */
export const factFormats = ['value', 'interval', 'sample', 'difference', 'comparison'] as const
export type FactFormat = (typeof factFormats)[number]

/** One paragraph or list item per inner array. */
export type Narrative = {
  readonly paragraphs: readonly (readonly NarrativePiece[])[]
  /** `plain` is the deterministic text; `model` was written by a language model over the same facts. */
  readonly source: 'plain' | 'model'
}

export const narrativeSubjects = ['day', 'funnel', 'alert', 'insight', 'segment', 'heatmap'] as const
export type NarrativeSubject = (typeof narrativeSubjects)[number]

/** A note that could have a better text than its plain one. */
export type NarrativeRequest = {
  /** Of the note; stable over runs. */
  readonly noteId: string
  readonly subject: NarrativeSubject
  /** What may be pointed at. Facts about a single person, or about fewer than 10, are left out by who asks and by who answers. */
  readonly facts: readonly Fact[]
  /** Stands wherever no better text could be had. */
  readonly plain: Narrative
}

/**
 * Answers every request, always: with a text that was checked against the facts, else with the plain one. Never throws.
 * When the signal aborts, what is not written yet stays plain.
 */
export type Narrate = (
  requests: readonly NarrativeRequest[],
  report?: (done: number, of: number) => void,
  signal?: AbortSignal,
) => Promise<ReadonlyMap<string, Narrative>>
