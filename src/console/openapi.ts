import { z } from 'zod'
import { errorCodes } from '../errors.ts'
import { producerVersion } from '../types.ts'
import type { Described } from './describe.ts'

const problem = z.object({
  ...{ type: z.string(), title: z.string(), status: z.number().int() },
  code: z.enum(Object.keys(errorCodes) as [string, ...string[]]),
  ...{ detail: z.string().optional(), instance: z.string() },
})

/** The OpenAPI 3.1 document of these routes, made from their zod schemas. */
export const openApiDocument = (routes: readonly Described[]) => {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}')
    paths[path] ??= {}
    Object.assign(paths[path], { [route.method.toLowerCase()]: operationOf(route, path) })
  }
  return {
    openapi: '3.1.0',
    info: {
      ...{ title: 'Evothesis', version: producerVersion, license: { name: 'MIT', identifier: 'MIT' } },
      description:
        'Collects what happens on websites and hands every raw event to its owner. `x-role` is the least role that may call an operation: a viewer reads, a client also decides about domains and requests of people, an operator may do everything.',
    },
    paths,
    components: {
      schemas: { Problem: jsonSchema(problem) },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'The admin token, or one of evothesis token create.' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-evothesis', description: 'A login to the console.' },
        writeKey: { type: 'http', scheme: 'basic', description: 'A write key as user name.' },
      },
    },
  }
}

const operationOf = (route: Described, path: string) => ({
  operationId: `${route.method.toLowerCase()}${path.replaceAll(/[^A-Za-z0-9]+(\w?)/g, (_all, next: string) => next.toUpperCase())}`,
  ...{ summary: route.summary, tags: [tagOf(path)], 'x-role': route.role, security: securityOf(route.role) },
  parameters: [...pathParameters(path), ...queryParameters(route.query)],
  ...(route.body && { requestBody: { required: true, content: json(jsonSchema(route.body, 'input')) } }),
  responses: {
    [route.status ?? 200]: {
      description: 'Success.',
      ...(route.answer && { content: json(jsonSchema(route.answer)) }),
      ...(route.media && { content: { [route.media]: { schema: { type: 'string' } } } }),
    },
    default: {
      description: 'A problem document (RFC 9457).',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  },
})

const tagOf = (path: string): string => {
  const first = path.split('/')[1] ?? ''
  return path === '/api/v1/events' ||
    ['v1', 'b', 'batch', 'beacon', 'projects', 'sourceConfig', 'schema'].includes(first)
    ? 'collect'
    : first.replace('.json', '')
}

const securityOf = (role: Described['role']): object[] => {
  if (role === 'anyone') return []
  if (role === 'sender') return [{ writeKey: [] }]
  if (role === 'local') return [{}, { token: [] }]
  return [{ token: [] }, { session: [] }]
}

const pathParameters = (path: string) =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } }))

const queryParameters = (query: z.ZodObject | undefined) =>
  Object.entries(query?.shape ?? {}).map(([name, type]) => {
    const { description, ...schema } = jsonSchema(type as z.ZodType)
    const required = !(type as z.ZodType).safeParse(undefined).success
    return { name, in: 'query', required, schema, ...(description !== undefined && { description }) }
  })

const json = (schema: unknown) => ({ 'application/json': { schema } })

const jsonSchema = (schema: z.ZodType, io: 'input' | 'output' = 'output'): Record<string, unknown> => {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' })
  return rest
}
