import { get } from '../call.ts'
import { el, section } from '../dom.ts'
import type { View } from '../view.ts'

type Operation = {
  summary: string
  tags: string[]
  'x-role': string
  parameters: {
    name: string
    in: string
    required: boolean
    description?: string
    schema: { type?: string; enum?: string[] }
  }[]
  requestBody?: { content: Record<string, { schema: object }> }
  responses: Record<string, { content?: Record<string, { schema?: object }> }>
}

/** The API in words, from /openapi.json. */
export const view: View = {
  title: 'API',
  async show({ root }) {
    const document = await get<{ paths: Record<string, Record<string, Operation>> }>('/openapi.json')
    const byTag = new Map<string, HTMLElement[]>()
    for (const [path, operations] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(operations)) {
        const tag = operation.tags[0] ?? 'other'
        byTag.set(tag, [...(byTag.get(tag) ?? []), operationOf(method.toUpperCase(), path, operation)])
      }
    root.append(
      el(
        'p',
        {},
        'The same as this console uses. The document for programs: ',
        el('a', { href: '/openapi.json' }, '/openapi.json'),
        '. Programs send a token as bearer: ',
        el('code', {}, 'curl -H "Authorization: Bearer $TOKEN" …/export/status'),
      ),
      el(
        'p',
        {},
        'Events as they come, for clients and operators: ',
        el('code', {}, 'curl -N -H "Authorization: Bearer $TOKEN" …/events/stream?site=shop.example.com'),
      ),
      ...[...byTag].sort(([a], [b]) => (a < b ? -1 : 1)).map(([tag, nodes]) => section(tag, ...nodes)),
    )
  },
}

const operationOf = (
  method: string,
  path: string,
  { summary, parameters, requestBody, responses, 'x-role': role }: Operation,
): HTMLElement => {
  const answer = Object.entries(responses).find(([status]) => status !== 'default')
  const schemaOf = (content: Record<string, { schema?: object }> | undefined): object | undefined =>
    Object.values(content ?? {})[0]?.schema
  const [body, answered] = [schemaOf(requestBody?.content), schemaOf(answer?.[1].content)]
  return el(
    'details',
    { class: 'operation' },
    el(
      'summary',
      {},
      el('span', { class: 'verb' }, method),
      el('code', {}, path),
      el('span', { class: 'note' }, ` ${summary} (${role})`),
    ),
    parameters.length > 0 &&
      el(
        'ul',
        {},
        ...parameters.map((one) =>
          el(
            'li',
            {},
            el('code', {}, one.name),
            ` ${one.schema.enum?.join(' | ') ?? one.schema.type ?? ''}${one.required ? '' : ', optional'}${one.description ? `: ${one.description}` : ''}`,
          ),
        ),
      ),
    body && el('h3', {}, 'Body'),
    body && el('pre', { tabindex: 0 }, JSON.stringify(body, null, 2)),
    answered && el('h3', {}, `Answer ${answer?.[0] ?? ''}`),
    answered && el('pre', { tabindex: 0 }, JSON.stringify(answered, null, 2)),
  )
}
