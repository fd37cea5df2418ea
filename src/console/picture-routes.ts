import { readFile } from 'node:fs/promises'
import type { Config } from '../config.ts'
import { type App, requireAdmin } from '../http.ts'
import { fileOf, vaultOf } from './vault-files.ts'

/** Opened by itself it is a document of ours: it may run nothing, and load nothing. */
const picturePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"

/** `GET /api/pictures/*`: a drawing of the vault (SVG), for the notes that show it. */
export const pictureRoutes = (app: App, { config, adminToken }: { config: Config; adminToken: string }): void => {
  app.get<{ Params: { '*': string } }>(
    '/api/pictures/*',
    { onRequest: requireAdmin(adminToken) },
    async (request, reply) => {
      const picture = await readFile(await fileOf(vaultOf(config), request.params['*'], '.svg'))
      return reply
        .headers({
          'content-security-policy': picturePolicy,
          'x-content-type-options': 'nosniff',
          'cache-control': 'no-store',
        })
        .type('image/svg+xml')
        .send(picture)
    },
  )
}
