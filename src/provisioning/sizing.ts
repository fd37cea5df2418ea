import type { Client } from './client-schema.ts'

/** Limits of the containers in MB and cores, and the database's parameters, from the machine's memory and cores. */
export type Sizing = {
  memoryMb: Record<Service, number>
  cpus: Record<Service, number>
  encodeMemoryMb: number
  spoolBytesMax: string
  stagingBytesMax: string
  /** In the order in which they are printed. */
  database: Record<string, string>
}
export const services = ['timescaledb', 'collect', 'worker', 'backup', 'nginx', 'certbot'] as const
export type Service = (typeof services)[number]

/** What the host itself needs: kernel, sshd, the container engine. */
const hostMb = 512
/** Shares of the rest, and what each needs at least to do its work. */
const shares: Record<Service, [share: number, leastMb: number]> = {
  timescaledb: [0.4, 512],
  collect: [0.15, 256],
  worker: [0.27, 512],
  backup: [0.08, 256],
  nginx: [0.03, 64],
  certbot: [0.03, 96],
}

/** Connections: the collectors' pools, the worker's two, backup, commands, and a few for people. */
const connectionsOf = (client: Client): number => 40 + 20 * client.collect_workers

/**
 * Sizes an appliance. The database's parameters follow its documentation for a server that shares a machine: a quarter of
 * its memory as shared buffers, three quarters as what the kernel may cache; each can be overridden by `database`.
 */
export const sizingOf = (client: Client): Sizing => {
  const { cpus, memory_gb, disk_gb } = client.vm
  const usableMb = memory_gb * 1024 - hostMb
  const memoryMb = byService((name) => Math.max(shares[name][1], Math.floor(usableMb * shares[name][0])))
  const databaseMb = memoryMb.timescaledb
  const connections = connectionsOf(client)
  const computed: Record<string, string> = {
    shared_preload_libraries: 'timescaledb',
    max_connections: String(connections),
    shared_buffers: `${Math.floor(databaseMb / 4)}MB`,
    effective_cache_size: `${Math.floor((databaseMb * 3) / 4)}MB`,
    work_mem: `${Math.max(4, Math.floor(databaseMb / 8 / connections))}MB`,
    maintenance_work_mem: `${Math.min(1024, Math.floor(databaseMb / 16))}MB`,
    max_wal_size: `${Math.min(8, Math.max(1, Math.floor(disk_gb / 40)))}GB`,
    checkpoint_completion_target: '0.9',
    // Whoever reads rows first marks them as seen, and so writes them. Let that not add up to half a minute's pages at once.
    backend_flush_after: '1MB',
    wal_compression: 'on',
    random_page_cost: '1.1',
    effective_io_concurrency: '200',
    max_worker_processes: String(16 + cpus),
    'timescaledb.max_background_workers': '8',
    max_parallel_workers: String(cpus),
    max_parallel_workers_per_gather: String(Math.max(1, Math.floor(cpus / 2))),
    'timescaledb.telemetry_level': 'off',
    fsync: 'on',
    synchronous_commit: 'on',
    password_encryption: 'scram-sha-256',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // DETAIL and CONTEXT quote rows, and nobody erases a person from a log.
    log_error_verbosity: 'terse',
  }
  return {
    memoryMb,
    cpus: byService((name) => (name === 'certbot' ? 0.5 : name === 'nginx' || name === 'backup' ? 1 : cpus)),
    encodeMemoryMb: Math.min(2048, Math.max(128, Math.floor(memoryMb.worker / 4))),
    spoolBytesMax: `${Math.max(1, Math.floor(disk_gb / 10))} GB`,
    stagingBytesMax: `${Math.max(2, Math.floor(disk_gb / 8))} GB`,
    database: { ...computed, ...texts(client.database) },
  }
}

/** YAML's numbers and booleans as the texts that they are elsewhere. */
export const texts = (values: Record<string, string | number | boolean>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]))

const byService = (value: (name: Service) => number): Record<Service, number> =>
  Object.fromEntries(services.map((name) => [name, value(name)])) as Record<Service, number>
