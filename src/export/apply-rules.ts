import { createReadStream, createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Json, type JsonObject, markedDigits, parseJson, writeJson } from '../json.ts'
import { exportColumns } from '../types.ts'
import type { DestinationRules } from './rules.ts'

type Values = (string | null)[]
const writeBytes = 1 << 18

/**
 * Writes a staged file (strict CSV: every value quoted, null empty) again as the rules say: without the rows that are not
 * meant, and without or with hashed fields. Resolves to the rows before and after. The same rows and rules give the same
 * bytes.
 */
export const applyRules = async (
  from: string,
  to: string,
  rules: DestinationRules,
  hash: (value: string) => string,
): Promise<{ rows: number; kept: number }> => {
  const rewrite = createRewriter(rules, hash)
  let rows = 0
  let kept = 0
  const lines = async function* (): AsyncGenerator<string> {
    let gathered = ''
    for await (const record of recordsOf(from)) {
      rows++
      const values = rewrite(readValues(record))
      if (!values) continue
      kept++
      gathered += `${values.map((value) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`)).join(',')}\n`
      if (gathered.length < writeBytes) continue
      yield gathered
      gathered = ''
    }
    yield gathered
  }
  await pipeline(Readable.from(lines()), createWriteStream(to))
  return { rows, kept }
}

/** Records end at a line feed outside of quotes. */
const recordsOf = async function* (file: string): AsyncGenerator<string> {
  let rest = ''
  let lines: string[] = []
  let isOpen = false
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: writeBytes })) {
    const read = (rest + chunk).split('\n')
    rest = read.pop() ?? ''
    for (const line of read) {
      lines.push(line)
      if (hasOddQuotes(line)) isOpen = !isOpen
      if (isOpen) continue
      yield lines.length === 1 ? line : lines.join('\n')
      lines = []
    }
  }
}

const hasOddQuotes = (line: string): boolean => {
  let isOdd = false
  for (let at = line.indexOf('"'); at !== -1; at = line.indexOf('"', at + 1)) isOdd = !isOdd
  return isOdd
}

const readValues = (record: string): Values => {
  const values: Values = []
  for (let at = 0; at <= record.length; at++) {
    if (record[at] !== '"') {
      values.push(null)
      continue
    }
    let end = at + 1
    while (record[end] !== '"' || record[end + 1] === '"') end += record[end] === '"' ? 2 : 1
    values.push(record.slice(at + 1, end).replaceAll('""', '"'))
    at = end + 1
  }
  return values
}

const indexOf = (column: string): number => (exportColumns as readonly string[]).indexOf(column)
const [siteAt, typeAt, rawAt] = ['site_id', 'event_type', 'raw_event_data'].map(indexOf) as [number, number, number]

const createRewriter = (rules: DestinationRules, hash: (value: string) => string) => {
  const { include, exclude, drop = [], hash: hashed = [] } = rules
  const isIncluded = selects(include, true)
  const isExcluded = selects(exclude, false)
  const columns = (fields: readonly string[]) => fields.filter((name) => !name.includes('.')).map(indexOf)
  const paths = (fields: readonly string[]) =>
    fields.filter((name) => name.includes('.')).map((name) => name.split('.').slice(1))
  const [droppedColumns, hashedColumns] = [columns(drop), columns(hashed)]
  const [droppedPaths, hashedPaths] = [paths(drop), paths(hashed)]
  const looksInside = droppedPaths.length + hashedPaths.length > 0 && !droppedColumns.includes(rawAt)

  return (values: Values): Values | undefined => {
    if (!isIncluded(values) || isExcluded(values)) return undefined
    for (const at of hashedColumns) if (values[at] != null) values[at] = hash(values[at] ?? '')
    // A file needs an object there.
    for (const at of droppedColumns) values[at] = at === rawAt ? '{}' : null
    const raw = values[rawAt]
    if (!looksInside || raw == null) return values
    const { value, marked } = parseJson(raw)
    for (const path of droppedPaths) at(value, path, (parent, key) => delete parent[key])
    for (const path of hashedPaths)
      at(value, path, (parent, key) => {
        const found = parent[key]
        if (found !== null && found !== undefined) parent[key] = hash(textOf(found, marked))
      })
    values[rawAt] = writeJson(value, marked)
    return values
  }
}

/** True for rows that the selection names; where it names nothing, `otherwise`. An inclusion needs all, an exclusion one. */
const selects = (selection: DestinationRules['include'], isInclusion: boolean) => {
  const tests: ((values: Values) => boolean)[] = []
  const { sites, event_types: types } = selection ?? {}
  if (sites) tests.push((values) => sites.some((pattern) => isSite(pattern, values[siteAt] ?? '')))
  if (types) tests.push((values) => types.includes(values[typeAt] ?? ''))
  return (values: Values): boolean =>
    isInclusion ? tests.every((test) => test(values)) : tests.some((test) => test(values))
}

/** Whether a site is the one that a rule names, or below it where it says `*.`. */
export const isSite = (pattern: string, site: string): boolean =>
  pattern.startsWith('*.') ? site.endsWith(pattern.slice(1)) : site === pattern

const textOf = (value: Json, marked: boolean): string =>
  typeof value === 'string' ? (markedDigits(value) ?? value) : writeJson(value, marked)

/** Calls `change` for what stands at the path; a step into an array is one into each of its elements. */
const at = (value: Json, path: readonly string[], change: (parent: JsonObject, key: string) => void): void => {
  if (Array.isArray(value)) for (const one of value) at(one, path, change)
  else if (typeof value === 'object' && value !== null) {
    const [key = '', ...rest] = path
    if (!Object.hasOwn(value, key)) return
    if (rest.length === 0) change(value, key)
    else at(value[key] ?? null, rest, change)
  }
}
