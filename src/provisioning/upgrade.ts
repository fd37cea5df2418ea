import { AppError, messageOf } from '../errors.ts'
import {
  type ApplyOptions,
  bring,
  changesOf,
  givenSecrets,
  readDeployed,
  refuseInvalid,
  refuseOtherClient,
} from './apply.ts'
import type { Machine } from './machine.ts'
import type { Release } from './release.ts'
import type { Appliance } from './validate.ts'

export type UpgradeOptions = ApplyOptions & {
  /** Names of gates that a person has confirmed. */
  confirmed: readonly string[]
}
export type Upgraded = { from: string; to: string; steps: string[] }

/** Why a machine may not go from one release to another; undefined when it may. */
export const gateOf = (from: string, to: Release, confirmed: readonly string[]): string | undefined => {
  if (from === to.version) return `The machine runs ${from} already.`
  if (!to.from.includes(from))
    return `Release ${to.version} can be reached from ${to.from.join(', ') || 'no other'} only; the machine runs ${from}.`
  const open = to.gates.filter((gate) => !confirmed.includes(gate.name))
  if (open.length > 0)
    return `Release ${to.version} has gates:\n${open.map((gate) => `  --confirm ${gate.name}   ${gate.text}`).join('\n')}`
  return undefined
}

const program = 'node /app/dist/bin/evothesis.js'

/**
 * Takes a machine to the release of its client.yaml: gates first; then a backup, proven by a drill, for there is no way back
 * behind a migration but that; then the new files, images and containers. When they do not become healthy, the old files
 * take their place again and the old containers run; after a breaking release the backup is the way back, and is named.
 * One that was cut off is gone on with: the files, and the backup, are those that were put aside then.
 * Throws `conflict` at a gate, `machine_failed`.
 */
export const upgrade = async (
  machine: Machine,
  folder: string,
  appliance: Appliance,
  options: UpgradeOptions,
): Promise<Upgraded> => {
  refuseInvalid(folder, appliance)
  const { release, client } = appliance
  const deployed = await readDeployed(machine)
  if (!deployed)
    throw new AppError('conflict', 'There is no appliance on the machine yet. Run: evothesis provision apply')
  refuseOtherClient(deployed, client)
  // An earlier try that did not end has brought its files; what runs is told by those that it put aside.
  const before = await readDeployed(machine, 'previous')
  const from = (before ?? deployed).release
  const gate = gateOf(from, release, options.confirmed)
  if (gate) throw new AppError('conflict', gate)
  const given = givenSecrets(appliance, options.secrets)
  const steps = [
    ...(before ? [`go on with the upgrade from ${from} that did not end`] : ['back up', 'drill']),
    `bring ${changesOf(deployed, appliance).length} files`,
    'start',
    'look whether it is well',
  ]
  const report = { from, to: release.version, steps }
  if (options.dryRun) return report

  const backup = before ? (await machine.run('cat previous/.backup')).trim() : await prepare(machine)
  try {
    await bring(machine, folder, options, given)
    await machine.run('./start.sh')
    // What fails there may have failed before; that the new program can tell is what counts.
    await machine.run(
      'docker compose exec -T worker node -e "fetch(\'http://127.0.0.1:8000/health\').then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))"',
    )
  } catch (error) {
    throw await rollBack(machine, { error, backup, from, to: release })
  }
  await machine.run('rm -rf previous')
  return report
}

/** Backs up, proves it, and puts the files that run aside, all or none of them. Answers the backup's name. */
const prepare = async (machine: Machine): Promise<string> => {
  const said = await machine.run(`docker compose exec -T backup ${program} backup --json`)
  const name = /"name": ?"(\d{8}T\d{6}Z)"/.exec(said)?.[1]
  if (name === undefined) throw new AppError('machine_failed', `The backup told no name, but: ${said.slice(0, 500)}`)
  await machine.run(`docker compose exec -T backup ${program} drill`)
  await machine.run(
    `rm -rf previous.part && rsync -a ${kept} ./ previous.part/ && echo ${name} > previous.part/.backup && mv previous.part previous`,
  )
  return name
}

/** What an upgrade leaves where it is. */
const kept = ['secrets', 'certificates', 'previous', 'previous.part', 'images.tar']
  .map((name) => `--exclude=/${name}`)
  .join(' ')
/** Files that only the new release has leave, too. */
const goBack = `rsync -a --delete --exclude=/.backup ${kept} previous/ ./`

const rollBack = async (
  machine: Machine,
  { error, backup, from, to }: { error: unknown; backup: string; from: string; to: Release },
): Promise<AppError> => {
  const why = `The upgrade to ${to.version} failed: ${messageOf(error)}`
  if (to.breaking)
    return new AppError(
      'machine_failed',
      `${why}\nIts migrations cannot be undone. Either mend it and run the upgrade again, or go back: in ${machine.folder}, ${goBack} && docker compose stop collect worker && docker compose exec -T backup ${program} restore --replace --backup ${backup} --identity - < KEY && ./start.sh && rm -rf previous`,
      { cause: error },
    )
  try {
    await machine.run(`${goBack} && ./start.sh && rm -rf previous`)
    return new AppError('machine_failed', `${why}\nThe machine runs ${from} again.`, { cause: error })
  } catch (second) {
    return new AppError(
      'machine_failed',
      `${why}\nGoing back to ${from} failed, too: ${messageOf(second)}\nThe old files are in ${machine.folder}/previous, the backup is ${backup}.`,
      { cause: error },
    )
  }
}
