import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../errors.ts'
import { sha256OfText } from '../storage/sha256.ts'
import { certificateProblem } from './certificate.ts'
import type { Client } from './client-schema.ts'
import { applianceFolder, type Difference } from './folder.ts'
import type { Machine } from './machine.ts'
import type { ApplianceManifest } from './render.ts'
import { secretPlan } from './secret-plan.ts'
import { type Appliance, validate } from './validate.ts'

export type ApplyOptions = {
  /** A folder with the secrets that somebody gives, one file each. */
  secrets?: string
  /** A file of `docker save` with the images. */
  images?: string
  /** Says what would be done, and does nothing. */
  dryRun?: boolean
}
export type Applied = { steps: string[]; changed: string[] }

/** What runs on the machine; undefined before its first start. `folder` `previous`: what an upgrade that did not end came from. */
export const readDeployed = async (
  machine: Machine,
  folder: '.' | 'previous' = '.',
): Promise<ApplianceManifest | undefined> => {
  const text = await machine.run(`cat ${folder}/manifest.json`).catch((error: unknown) => {
    // The folder or the file is not there yet; anything else the next step says, too.
    if (/No such file|can't cd/i.test(String(error))) return ''
    throw error
  })
  return text.trim() === '' ? undefined : (JSON.parse(text) as ApplianceManifest)
}

/**
 * Brings a rendered appliance to its machine and starts it: files by rsync, given secrets where they are missing, images,
 * then compose, until everything is healthy. Nothing on the machine is touched before the appliance is found valid, the
 * machine to be this client's, and its release to be the same: another one is an upgrade. Secrets that are there are never
 * overwritten. Throws `conflict`, `machine_failed`.
 */
export const apply = async (
  machine: Machine,
  folder: string,
  appliance: Appliance,
  options: ApplyOptions,
): Promise<Applied> => {
  refuseInvalid(folder, appliance)
  const given = givenSecrets(appliance, options.secrets)
  const deployed = await readDeployed(machine)
  const before = deployed && (await readDeployed(machine, 'previous'))
  refuseOther(deployed, before, appliance)
  const changed = changesOf(deployed, appliance)
  const steps = [
    `bring ${changed.length} of ${appliance.files.length} files to ${machine.host}:${machine.folder}`,
    ...given.map((name) => `give ${name}, where it is missing`),
    ...(options.images === undefined ? [] : [`load the images of ${options.images}`]),
    'make the secrets that are missing, start everything, wait until it is healthy',
  ]
  if (options.dryRun) return { steps, changed }
  await bring(machine, folder, options, given)
  await machine.run('./start.sh')
  if (before) await machine.run('rm -rf previous')
  return { steps, changed }
}

/** Files, secrets and images; nothing is started. */
export const bring = async (
  machine: Machine,
  folder: string,
  options: ApplyOptions,
  given: readonly string[],
): Promise<void> => {
  await machine.send(applianceFolder(folder))
  await machine.run('mkdir -p secrets && chmod 700 secrets')
  // By its standard input: a command line would show it. `ln` never replaces what is there.
  // And counted: a connection that is cut looks like its end, and half a secret would stay for ever.
  for (const name of given) {
    const file = path.join(options.secrets ?? '', name)
    await machine.run(
      `umask 077 && if [ -e secrets/${name} ]; then cat > /dev/null; else part=secrets/.${name}.$$; cat > $part; if [ "$(wc -c < $part)" -ne ${statSync(file).size} ]; then rm -f $part; echo 'only a part of ${name} arrived' >&2; exit 1; fi; ln $part secrets/${name}; rm -f $part; [ -e secrets/${name} ]; fi`,
      { inputFile: file },
    )
  }
  if (options.images !== undefined) await machine.run('docker load --quiet', { inputFile: options.images })
}

export const refuseInvalid = (folder: string, appliance: Appliance): void => {
  const found = validate(folder, appliance)
  if (!found.ok)
    throw new AppError(
      'conflict',
      `${folder} is not valid, or not as rendered. Run: evothesis provision validate ${folder}`,
    )
}

/** Whatever is done to a machine, it must be this client's. Throws `conflict`. */
export const refuseOtherClient = (
  deployed: Pick<ApplianceManifest, 'client' | 'node'> | undefined,
  client: Pick<Client, 'name' | 'node'>,
): void => {
  if (deployed?.client === client.name && deployed.node === client.node) return
  const found = deployed ? `${deployed.node} of ${deployed.client}` : 'no appliance yet'
  throw new AppError('conflict', `The machine is ${found}, not ${client.node} of ${client.name}.`)
}

/** A change of the release has gates of its own; one that did not end may be ended, or gone back from. */
const refuseOther = (
  deployed: ApplianceManifest | undefined,
  before: ApplianceManifest | undefined,
  { client, release }: Appliance,
): void => {
  if (!deployed) return
  refuseOtherClient(deployed, client)
  if (before && before.release !== release.version)
    throw new AppError(
      'conflict',
      `An upgrade of the machine from ${before.release} did not end. Run evothesis provision upgrade again, or name ${before.release} in client.yaml to go back.`,
    )
  if (!before && deployed.release !== release.version)
    throw new AppError(
      'conflict',
      `The machine runs release ${deployed.release}; for ${release.version} run: evothesis provision upgrade`,
    )
}

/** What the files on the machine have otherwise than they would be rendered: by their bytes, whoever changed them. */
export const driftOf = async (machine: Machine, { files }: Appliance): Promise<Difference[]> => {
  const said = await machine.run(`sha256sum -- ${files.map((file) => `'${file.path}'`).join(' ')} 2>/dev/null; true`)
  const there = new Map(
    said.split('\n').flatMap((line) => (line === '' ? [] : [[line.slice(66), line.slice(0, 64)] as const])),
  )
  return files.flatMap((file): Difference[] => {
    const found = there.get(file.path)
    if (found === undefined) return [{ path: file.path, what: 'missing' }]
    return found === sha256OfText(file.text) ? [] : [{ path: file.path, what: 'changed' as const }]
  })
}

/** Files that the machine has not, or has otherwise. */
export const changesOf = (deployed: ApplianceManifest | undefined, { files }: Appliance): string[] => {
  const wanted = JSON.parse(files.at(-1)?.text ?? '{}') as ApplianceManifest
  const there = new Map(deployed?.files.map((one) => [one.path, one.sha256]))
  const gone = [...there.keys()].filter((one) => !wanted.files.some((file) => file.path === one))
  return [...wanted.files.filter((one) => there.get(one.path) !== one.sha256).map((one) => one.path), ...gone]
}

/** The files of the folder; each must be a secret of this appliance, whole, and a certificate must be one of its domain. */
export const givenSecrets = ({ client }: Appliance, folder: string | undefined): string[] => {
  if (folder === undefined) return []
  if (!existsSync(folder)) throw new AppError('usage_invalid', `${folder} is not a folder.`)
  const known = new Map(secretPlan(client).map((one) => [one.name, one]))
  const names = readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort()
  const text = (name: string): string => readFileSync(path.join(folder, name), 'utf8')
  for (const name of names) {
    if (!known.has(name))
      throw new AppError(
        'usage_invalid',
        `${path.join(folder, name)} is no secret of ${client.name}; there are: ${[...known.keys()].join(', ')}.`,
      )
    if (text(name).trim() === '') throw new AppError('usage_invalid', `${path.join(folder, name)} is empty.`)
  }
  if (names.includes('tls-certificate') && names.includes('tls-key')) {
    const pair = { certificate: text('tls-certificate'), key: text('tls-key'), domain: client.domain }
    const problem = certificateProblem(pair)
    if (problem) throw new AppError('usage_invalid', problem)
  }
  return names
}
