import { stringify } from 'yaml'
import { z } from 'zod'
import { clientSchema } from './client-schema.ts'

/** A key of client.yaml as its JSON schema says it: the one source of example, manual and schema. */
type Node = {
  type?: string
  description?: string
  default?: unknown
  examples?: unknown[]
  const?: unknown
  enum?: unknown[]
  items?: Node
  properties?: Record<string, Node>
  required?: string[]
}

const jsonSchema = (): Node => z.toJSONSchema(clientSchema, { io: 'input', unrepresentable: 'any' }) as Node

/** The text of `provisioning/client.schema.json`, for editors. */
export const renderClientSchema = (): string =>
  `${JSON.stringify({ title: 'client.yaml', ...jsonSchema() }, null, 2)}\n`

/** The text of `provisioning/client.example.yaml`: every key, its documentation, and an example; only what must be set is. */
export const renderClientExample = (): string =>
  [
    '# Every key of client.yaml. What is commented out has the default that the comment says, or is left out.',
    '# evothesis provision new writes a client.yaml; evothesis provision validate checks it.',
    '',
    ...exampleLines(jsonSchema(), '', false),
    '',
  ].join('\n')

const exampleLines = (node: Node, indent: string, isOptional: boolean): string[] =>
  Object.entries(node.properties ?? {}).flatMap(([name, one]) => {
    const optional = isOptional || !(node.required ?? []).includes(name)
    const mark = optional ? '#' : ''
    const lines = [`${indent}# ${docOf(one)}`]
    if (one.properties) return [...lines, `${mark}${indent}${name}:`, ...exampleLines(one, `${indent}  `, optional)]
    const [example] = one.examples ?? []
    const text = stringify({ [name]: example ?? one.default ?? {} }, { lineWidth: 0 }).trimEnd()
    return [...lines, ...text.split('\n').map((line) => `${mark}${indent}${line}`)]
  })

const docOf = (one: Node): string => {
  const values = one.enum ? ` One of ${one.enum.join(', ')}.` : ''
  return `${one.description ?? ''}${values}${defaultOf(one)}`
}

const defaultOf = (one: Node): string => {
  if (one.properties || one.default === undefined) return ''
  const shown = typeof one.default === 'string' ? one.default : JSON.stringify(one.default)
  return shown === '[]' || shown === '{}' ? ' Default: none.' : ` Default: ${shown}.`
}

/** The text of `docs/client-yaml.md`. */
export const renderClientManual = (): string => {
  const root = jsonSchema()
  return [
    '# client.yaml',
    '',
    'One file says everything in which one client differs from another; it holds no secret. Unknown keys are refused. This page, `provisioning/client.example.yaml` and `provisioning/client.schema.json` are printed from the schema that checks the file.',
    '',
    '| key | default | |',
    '| --- | --- | --- |',
    ...rows(root, ''),
    '',
  ].join('\n')
}

const rows = (node: Node, before: string): string[] =>
  Object.entries(node.properties ?? {}).flatMap(([name, one]) => {
    const key = `${before}${name}`
    if (one.properties) return [`| \`${key}\` | | ${one.description ?? ''} |`, ...rows(one, `${key}.`)]
    const required = (node.required ?? []).includes(name)
    const fallback = one.default === undefined ? (required ? 'required' : '–') : `\`${JSON.stringify(one.default)}\``
    const values = one.enum ? ` One of ${one.enum.map((value) => `\`${value}\``).join(', ')}.` : ''
    return [`| \`${key}\` | ${fallback} | ${`${one.description ?? ''}${values}`.replaceAll('|', '\\|')} |`]
  })
