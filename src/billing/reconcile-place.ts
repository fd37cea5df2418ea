import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import type { Destination } from '../storage/destination.ts'
import { createDestinations } from '../storage/destinations.ts'
import { createFolderDestination } from '../storage/folder-destination.ts'
import type { Month } from './calendar.ts'
import type { Reconciliation } from './reconcile.ts'
import { findClients, reconcileBucket } from './reconcile-bucket.ts'

/**
 * Reconciles every client below `s3://bucket[/prefix]`, or a folder, without any database. Endpoint, region and keys are
 * those of the BACKUP_S3_ settings. Throws `usage_invalid` for an address that is none, `not_found` when nobody is there.
 */
export const reconcilePlace = async (config: Config, place: string, month: Month): Promise<Reconciliation[]> => {
  const open = openBackups(config, place)
  const clients = await using(open(''), findClients)
  if (clients.length === 0) throw new AppError('not_found', `${place} holds no manifests; is the prefix right?`)
  const reports: Reconciliation[] = []
  for (const client of clients) reports.push(await using(open(client), (backup) => reconcileBucket(backup, month)))
  return reports
}

const using = async <T>(destination: Destination, work: (destination: Destination) => Promise<T>): Promise<T> => {
  try {
    return await work(destination)
  } finally {
    destination.close()
  }
}

/** Opens the folder of a client below a place; the empty name is the place itself. */
export const openBackups = (config: Config, place: string): ((client: string) => Destination) => {
  if (!place.includes('://'))
    return (client) => createFolderDestination('backup', client === '' ? place : `${place}/${client}`)
  const url = URL.canParse(place) ? new URL(place) : undefined
  if (url?.protocol !== 's3:' || url.hostname === '')
    throw new AppError('usage_invalid', `${place} is neither s3://bucket/prefix nor a folder.`)
  const prefix = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, '')
  return (client) => {
    const below = [prefix, client].filter((one) => one !== '').join('/')
    const settings = { ...config, BACKUP_S3_BUCKET: url.hostname, BACKUP_S3_PREFIX: below }
    const all = createDestinations(settings)
    const backup = all.find((one) => one.name === 'backup')
    for (const other of all) if (other !== backup) other.close()
    if (!backup) throw new AppError('internal', 'There is no backup destination.')
    return backup
  }
}
