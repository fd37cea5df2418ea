import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, writeFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../errors.ts'
import { readDeployed, refuseOtherClient } from './apply.ts'
import type { Client } from './client-schema.ts'
import type { Machine } from './machine.ts'

export type Offboarded = { bundle: string; bytes: number; sha256: string }
export type OffboardOptions = {
  /** Where the bundle is written. */
  out: string
  /** The name of the client once more, to remove everything afterwards: there is no way back. */
  deleteConfirmed: string | undefined
}

/** Where the record of a deletion is written, beside its bundle. */
export const deletionRecord = (out: string): string => `${out}.deletion.json`

/**
 * Ends a client's service: nothing more is taken in, everything is delivered, proven and backed up; then a tar with files,
 * secrets, data and images is brought to `out`, by which the client goes on without us. Data stays on the machine. Everything
 * that speaks against it, or against the deletion that is to follow, is asked before the machine is touched. Throws
 * `conflict`, `machine_failed`.
 */
export const offboard = async (
  machine: Machine,
  client: Client,
  { out, deleteConfirmed }: OffboardOptions,
): Promise<Offboarded> => {
  if (existsSync(out)) throw new AppError('conflict', `${out} is there already; choose another name.`)
  if (!existsSync(path.dirname(path.resolve(out))))
    throw new AppError('usage_invalid', `${path.dirname(out)} is not there; make the folder first.`)
  if (deleteConfirmed !== undefined) refuseDeletion(client, deleteConfirmed, deletionRecord(out))
  refuseOtherClient(await readDeployed(machine), client)
  const part = `${out}.part`
  try {
    await machine.run('./offboard.sh bundle', { output: createWriteStream(part, { mode: 0o600 }) })
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
  await rename(part, out)
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(out)) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
  }
  return { bundle: out, bytes, sha256: hash.digest('hex') }
}

const refuseDeletion = (client: Client, confirmed: string, record: string): void => {
  if (confirmed !== client.name)
    throw new AppError('conflict', `To delete, say --delete with the name of the client, which is ${client.name}.`)
  if (existsSync(record))
    throw new AppError('conflict', `${record} is there already; it is the record of an earlier deletion.`)
}

/** Removes everything from the machine, and writes the record of it beside the bundle, whose hash it bears. Throws `conflict`, `machine_failed`. */
export const deleteMachine = async (
  machine: Machine,
  client: Client,
  confirmed: string,
  bundle: Offboarded,
): Promise<string> => {
  const record = deletionRecord(bundle.bundle)
  refuseDeletion(client, confirmed, record)
  const deployed = await readDeployed(machine)
  refuseOtherClient(deployed, client)
  const said = await machine.run('./offboard.sh delete')
  const deletion = {
    ...{ version: 1, client: client.name, node: client.node, host: machine.host, release: deployed?.release },
    deleted: JSON.parse(said.trim().split('\n').at(-1) ?? '{}') as unknown,
    files: deployed?.files,
    bundle,
  }
  writeFileSync(record, `${JSON.stringify(deletion, null, 2)}\n`, { flag: 'wx' })
  return record
}
