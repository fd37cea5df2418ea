import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { AppError, messageOf } from '../errors.ts'
import { clientFileName } from './client-file.ts'
import { readAppliance, validate } from './validate.ts'

export type ListedClient =
  | {
      folder: string
      name: string
      node: string
      domain: string
      release: string
      privacy: string
      plan: string
      valid: boolean
    }
  | { folder: string; error: string }

/** Every client below a folder, by its client.yaml; one that cannot be read is listed with the reason. Throws `not_found`. */
export const listClients = (root: string): ListedClient[] => {
  if (!existsSync(root)) throw new AppError('not_found', `There is no folder ${root}.`)
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(path.join(root, entry.name, clientFileName)))
    .map((entry) => path.join(root, entry.name))
    .sort()
    .map((folder) => {
      try {
        const appliance = readAppliance(folder)
        const { name, node, domain, release, privacy, plan } = appliance.client
        return { folder, name, node, domain, release, privacy, plan, valid: validate(folder, appliance).ok }
      } catch (error) {
        return { folder, error: messageOf(error) }
      }
    })
}
