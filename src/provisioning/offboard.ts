import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { AppError } from '../errors.ts'
import { readDeployed } from './apply.ts'
import type { Machine } from './machine.ts'

export type Offboarded = { bundle: string; bytes: number; sha256: string }

/**
 * Ends a client's service: nothing more is taken in, everything is delivered, proven and backed up; then a tar with files,
 * secrets and images is brought to `out`, by which the client goes on without us. Data stays on the machine. Throws
 * `conflict` for a file that is there, `machine_failed`.
 */
export const offboard = async (machine: Machine, out: string): Promise<Offboarded> => {
  if (existsSync(out)) throw new AppError('conflict', `${out} is there already; choose another name.`)
  const part = `${out}.part`
  await machine.run('./offboard.sh bundle', { output: createWriteStream(part, { mode: 0o600 }) })
  await rename(part, out)
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(out)) {
    hash.update(chunk as Buffer)
    bytes += (chunk as Buffer).length
  }
  return { bundle: out, bytes, sha256: hash.digest('hex') }
}

/**
 * Removes everything from the machine, and writes the record of it beside the bundle, whose hash it bears. The name of the
 * client is said again, because there is no way back. Throws `conflict`, `machine_failed`.
 */
export const deleteMachine = async (
  machine: Machine,
  client: string,
  confirmed: string,
  record: string,
  bundle: Offboarded | null,
): Promise<unknown> => {
  const deployed = await readDeployed(machine)
  if (deployed?.client !== client || confirmed !== client)
    throw new AppError(
      'conflict',
      `To delete, say --delete with the name of the client that the machine is of: ${deployed?.client ?? 'none'}.`,
    )
  if (existsSync(record))
    throw new AppError('conflict', `${record} is there already; it is the record of an earlier deletion.`)
  const said = await machine.run('./offboard.sh delete')
  const deletion = {
    ...{ version: 1, client, node: deployed.node, host: machine.host, release: deployed.release },
    deleted: JSON.parse(said.trim().split('\n').at(-1) ?? '{}') as unknown,
    files: deployed.files,
    bundle,
  }
  writeFileSync(record, `${JSON.stringify(deletion, null, 2)}\n`, { flag: 'wx' })
  return deletion
}
