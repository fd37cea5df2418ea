import type { Client } from './client-schema.ts'

/**
 * Fixed addresses of the containers that nginx speaks to, and of nginx. nginx looks a name up once, at its start, and
 * would go on asking the address of a container that was replaced; with fixed addresses it starts before they do,
 * keeps its connections to them, and they know from whom X-Forwarded-For is to be believed.
 */
const hosts = { nginx: 10, collect: 11, worker: 12 } as const

export const addressOf = (client: Client, name: keyof typeof hosts): string =>
  client.vm.subnet.replace(/0\/24$/, String(hosts[name]))
