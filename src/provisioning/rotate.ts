import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../errors.ts'
import { readDeployed, refuseOtherClient } from './apply.ts'
import { certificateProblem } from './certificate.ts'
import type { Client } from './client-schema.ts'
import type { Machine } from './machine.ts'
import { secretPlan } from './secret-plan.ts'

/**
 * Changes a secret on the machine: the file, the database's role, and the containers that read it, in one step that is undone
 * when they do not become healthy. `tls` is the certificate with its key. What somebody else makes is read from a folder.
 * Answers the names. Throws `usage_invalid`, `conflict` on a machine of another client, `machine_failed`.
 */
export const rotate = async (
  machine: Machine,
  client: Client,
  name: string,
  from: string | undefined,
): Promise<string[]> => {
  const plan = secretPlan(client)
  const names = name === 'tls' ? ['tls-key', 'tls-certificate'] : [name]
  for (const one of names) {
    const secret = plan.find((planned) => planned.name === one)
    if (!secret)
      throw new AppError(
        'usage_invalid',
        `${one} is no secret of ${client.name}; there are: ${plan.map((each) => each.name).join(', ')}.`,
      )
    if (secret.kind === 'given' && (from === undefined || !existsSync(path.join(from, one))))
      throw new AppError('usage_invalid', `${one} is given, not made: say --from FOLDER that holds the new one.`)
  }
  if (name === 'tls') {
    const [key = '', certificate = ''] = names.map((one) => readFileSync(path.join(from ?? '', one), 'utf8'))
    const problem = certificateProblem({ certificate, key, domain: client.domain })
    if (problem) throw new AppError('usage_invalid', problem)
  }
  refuseOtherClient(await readDeployed(machine), client)
  for (const one of names) {
    const file = from === undefined ? undefined : path.join(from, one)
    if (file !== undefined && existsSync(file))
      await machine.run(`./rotate.sh ${one} - ${statSync(file).size}`, { inputFile: file })
    else await machine.run(`./rotate.sh ${one}`)
  }
  return names
}
