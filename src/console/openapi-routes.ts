import type { App } from '../http.ts'
import type { Described } from './describe.ts'
import { agentsDescribed } from './describe-rooms/agents.ts'
import { billingDescribed } from './describe-rooms/billing.ts'
import { collectDescribed } from './describe-rooms/collect.ts'
import { consoleDescribed } from './describe-rooms/console.ts'
import { exportDescribed } from './describe-rooms/export.ts'
import { openApiDocument } from './openapi.ts'
import { readRoutes } from './reads/all.ts'

/** Every route of a server but its files; a test holds the server against it. */
export const describedRoutes: readonly Described[] = [
  ...[
    ...collectDescribed,
    ...exportDescribed,
    ...billingDescribed,
    ...agentsDescribed,
    ...readRoutes,
    ...consoleDescribed,
  ],
]

/** `GET /openapi.json`, open to all. */
export const openApiRoutes = (app: App): void => {
  const document = JSON.stringify(openApiDocument(describedRoutes))
  app.get('/openapi.json', async (_request, reply) =>
    reply
      .headers({ 'access-control-allow-origin': '*', 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff' })
      .type('application/json')
      .send(document),
  )
}
