import type { Fact, FactWindow } from '../fact.ts'
import { propertyText } from './escape.ts'
import { type NoteKind, noteSchema, type PropertyValue } from './note.ts'
import { printDay, printLastDay } from './print-time.ts'

/** Properties that notes of every kind have. */
export const commonProperties = (
  kind: NoteKind,
  id: string,
  of: { rawSite?: string; window?: FactWindow; timeZone: string },
): Record<string, PropertyValue> => ({
  evo_id: id,
  evo_type: kind,
  evo_schema: noteSchema,
  ...(of.rawSite !== undefined && { evo_site: propertyText(of.rawSite) }),
  ...(of.window && {
    evo_from: { date: printDay(of.window.from, of.timeZone) },
    evo_to: { date: printLastDay(of.window.to, of.timeZone) },
  }),
})

const digits = 6

/** Facts as numbers, for dashboards: shares from 0 to 1, money in its currency, times in seconds; empty without a value. */
export const propertiesOf = (facts: Readonly<Record<string, Fact | null>>): Record<string, PropertyValue> =>
  Object.fromEntries(
    Object.entries(facts).map(([key, fact]) => [key, fact === null || fact.value === null ? null : short(fact.value)]),
  )

const short = (value: number): number => Number(Math.abs(value) < 1 ? value.toPrecision(digits) : value.toFixed(digits))
