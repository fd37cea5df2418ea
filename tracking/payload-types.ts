import { z } from 'zod'
import { pixelBatch, pixelEvent } from './payload.ts'

/** The part of JSON Schema in which zod describes the payload. */
type Schema = {
  type?: string | string[]
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema | false
}

/**
 * The payload as TypeScript declarations, printed from the schemas that the payload is held against; for those who read what
 * the pixel sends, with no library at all. Throws for a construct that it does not know, so that none is lost in silence.
 */
export const renderPayloadTypes = (): string => {
  const event = renderType(z.toJSONSchema(pixelEvent) as Schema)
  const batch = renderType(z.toJSONSchema(pixelBatch) as Schema)
  return [
    '/** An event that the pixel makes by itself; `track` sends others, of any type, with any data. */',
    `export type PixelEvent = ${event}`,
    '',
    '/** One request. The envelope is no event; its ids hold for all events in it. */',
    `export type PixelBatch = ${batch.replace(event, 'PixelEvent')}`,
    '',
  ].join('\n')
}

const names: Record<string, string> = {
  string: 'string',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
  null: 'null',
}

const renderType = (schema: Schema): string => {
  const { type, anyOf, oneOf, allOf, items } = schema
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.enum) return `(${schema.enum.map((one) => JSON.stringify(one)).join(' | ')})`
  const either = anyOf ?? oneOf ?? (Array.isArray(type) ? type.map((one) => ({ ...schema, type: one })) : undefined)
  if (either) return `(${either.map(renderType).join(' | ')})`
  if (allOf) return `(${allOf.map(renderType).join(' & ')})`
  if (items) return `${renderType(items)}[]`
  if (type === 'object') return renderObject(schema)
  const name = names[`${type}`]
  if (name !== undefined) return name
  if (Object.keys(schema).every((key) => key === '$schema')) return 'unknown'
  throw new Error(`The payload has a type that cannot be printed: ${JSON.stringify(schema)}`)
}

const renderObject = ({ properties = {}, required = [], additionalProperties }: Schema): string => {
  const entries = Object.entries(properties).map(
    ([name, inner]) => `${name}${required.includes(name) ? '' : '?'}: ${renderType(inner)}`,
  )
  const isOpen = entries.length === 0 && additionalProperties
  return isOpen ? `Record<string, ${renderType(additionalProperties)}>` : `{ ${entries.join('; ')} }`
}
