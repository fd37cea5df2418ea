import { clientSchema } from './client-schema.ts'
import { addressOf } from './network.ts'
import { renderNginx } from './render-nginx.ts'

/** The text of `appliance/nginx/development/nginx.conf`: as a client's, over plain HTTP, with collector and worker in one. */
export const renderDevelopmentNginx = (): string => {
  const client = clientSchema.parse({
    ...{ version: 1, name: 'local', domain: 'events.localhost', release: '0.0.0', tls: { mode: 'none' } },
    ...{ vm: { subnet: '172.30.58.0/24' }, backups: { schedule: 'off', recipients: [] } },
  })
  return renderNginx(client)
    .replace('# Rendered from client.yaml: change it there.', '# Printed by src/provisioning/render-development.ts.')
    .replace(addressOf(client, 'worker'), addressOf(client, 'collect'))
}
