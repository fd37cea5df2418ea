import type { FastifyRequest } from 'fastify'
import type { App } from '../http.ts'
import type { WriteKeys } from './write-keys.ts'

/**
 * What Segment's browser and mobile SDKs, and RudderStack's, ask for before they send. Every address in it is this server:
 * an SDK that is told none sends to Segment.
 */
export const segmentSettingsRoutes =
  (writeKeys: WriteKeys) =>
  (app: App): void => {
    void app.register(async (scope) => {
      scope.addHook('onRequest', async (request, reply) => {
        void reply.header('access-control-allow-origin', request.headers.origin ?? '*').header('vary', 'Origin')
      })
      for (const path of ['/v1/projects/:writeKey/settings', '/projects/:writeKey/settings'])
        scope.get<{ Params: { writeKey: string } }>(path, async (request) =>
          settings(request, writeKeys.require(request.params.writeKey)),
        )
      scope.get('/sourceConfig', async (request) =>
        sourceConfig(request, writeKeys.require(writeKeys.inHeader(request))),
      )
    })
  }

const settings = (request: FastifyRequest, writeKey: string) => ({
  integrations: {
    'Segment.io': {
      ...{ apiKey: writeKey, apiHost: `${request.host}/v1`, protocol: request.protocol },
      versionSettings: { version: '4.4.7', componentTypes: ['browser'] },
      deliveryStrategy: { config: { host: `${request.host}/v1` } },
    },
  },
  plan: {
    track: { __default: { enabled: true } },
    identify: { __default: { enabled: true } },
    group: { __default: { enabled: true } },
  },
  metrics: { sampleRate: 0, host: `${request.host}/v1` },
  edgeFunction: {},
  analyticsNextEnabled: true,
})

const sourceConfig = (request: FastifyRequest, writeKey: string) => ({
  source: {
    ...{ id: writeKey, name: 'Evothesis', workspaceId: 'evothesis', writeKey, enabled: true },
    config: { statsCollection: { errors: { enabled: false }, metrics: { enabled: false } } },
    ...{ dataplanes: {}, dataPlaneUrl: `${request.protocol}://${request.host}`, destinations: [] },
  },
})
