import type { Narrative, NarrativeRequest } from '../narrative.ts'

export const noteKinds = [
  'daily_report',
  'customer_profile',
  'funnel_analysis',
  'dropoff_alert',
  'insight',
  'heatmap',
  'segment',
  'index',
] as const
export type NoteKind = (typeof noteKinds)[number]

/** A property of the frontmatter: flat, one type for each name in the whole vault. */
export type PropertyValue = string | number | boolean | null | readonly string[] | NoteDate
/** `YYYY-MM-DD`, written bare, so that it is a date. */
export type NoteDate = { readonly date: string }

export type Region = { readonly name: string; readonly body: string }

/** A note as the figures say it should be; what a person wrote into the file is merged with it by `mergeNote`. */
export type Note = {
  /** Stable over runs, and in the file as `evo_id`: a note is found by it wherever a person moved it. */
  readonly id: string
  readonly kind: NoteKind
  /** Where a new note is put, from the vault's root, with `/`. */
  readonly path: string
  /** Ours: brought up to date by each run. */
  readonly properties: Readonly<Record<string, PropertyValue>>
  /** Written once, with the note; then they are the person's. */
  readonly firstProperties: Readonly<Record<string, PropertyValue>>
  readonly regions: readonly Region[]
  /** Pictures and the like that the note shows: all ours. */
  readonly files: readonly { readonly path: string; readonly text: string }[]
  readonly rawSite: string | null
  /** What its age is counted from. */
  readonly day: string | null
  /** The customer that it is about. */
  readonly customer: string | null
}

/** A note before its text is known: what to ask the narrator, and how to go on with the answer. */
export type NoteDraft = {
  readonly id: string
  readonly request: NarrativeRequest | null
  readonly finish: (narrative: Narrative | null) => Note
}

export const noteSchema = 1
