import { AppError } from '../errors.ts'
import { createDestinations } from '../storage/destinations.ts'
import { readIdentities } from './age-files.ts'
import { durationText, readOptions } from './arguments.ts'
import type { ApplianceIo } from './backup-command.ts'
import { type RestoreDeps, restore, restoreFiles } from './restore.ts'

const help = `Usage: evothesis restore --identity FILE [options]

  Restores this machine from a backup in the backup destination: fetches, decrypts and compares it, asks whether the server
  fits, then makes the database of DATABASE_URL from it, puts the files of DATA_DIR back where they are missing, adopts what
  was delivered since, and begins a new epoch. Stop collector and worker before.

  --identity FILE   Private key of age, of any one of the recipients; - is standard input.
  --backup NAME     Which one; see evothesis backup --list. Default: latest.
  --replace         Drop the database that is there.
  --files DIR       Only unpack secrets, settings, vault and spool into a new folder; no database is needed.
  --json            Prints the answer as JSON.

Needs pg_restore of the server's major version. Exit code: 0 done, 1 failed, 2 wrong usage.
`

/** `evothesis restore …`. Resolves to the exit code. */
export const restoreCommand = async (
  args: string[],
  io: ApplianceIo & { adopt: (deps: Pick<RestoreDeps, 'config' | 'log'>) => RestoreDeps['adopt'] },
): Promise<number> => {
  const text = { type: 'string' } as const
  const options = readOptions(args, { identity: text, backup: text, files: text, replace: { type: 'boolean' } }, help)
  if (options.help) {
    io.stdout.write(help)
    return 0
  }
  if (options.identity === undefined) throw new AppError('usage_invalid', `--identity is missing.\n\n${help}`)
  const identities = readIdentities(options.identity)
  const config = io.config()
  const log = io.log(config)
  const destinations = createDestinations(config)
  const backup = destinations.find((one) => one.name === 'backup')
  if (!backup) throw new AppError('internal', 'There is no backup destination.')
  const wanted = options.backup ?? 'latest'
  try {
    if (options.files !== undefined) {
      const deps = { backup, client: config.CLIENT_ID, node: config.NODE_ID }
      const { name } = await restoreFiles(deps, { wanted, identities, out: options.files })
      io.stdout.write(
        options.json
          ? `${JSON.stringify({ name, folder: options.files }, null, 2)}\n`
          : `Unpacked the files of ${name} into ${options.files}: secrets are in include/run/secrets. Remove it when you are done.\n`,
      )
      return 0
    }
    const url = config.DATABASE_URL?.reveal()
    if (url === undefined)
      throw new AppError(
        'setting_invalid',
        'DATABASE_URL is not set: a backup is restored into a PostgreSQL of its own; the embedded one has no pg_restore.',
      )
    const deps = { config, clock: io.clock, log, backup, adopt: io.adopt({ config, log }) }
    const done = await restore(deps, { url, wanted, identities, replace: options.replace === true })
    const rows = Object.values(done.manifest.tables).reduce((sum, one) => sum + one, 0)
    const lines = [
      `Restored ${done.name} of ${done.manifest.created_at}: ${rows} rows in ${Object.keys(done.manifest.tables).length} tables, ${durationText(done.durationMs)}.`,
      done.adopted.manifests > 0
        ? `Adopted ${done.adopted.manifests} parts with ${done.adopted.events} events that were delivered since.`
        : 'Nothing was delivered since.',
      `New epoch: ${done.epoch}.`,
      ...(done.outside
        ? [`Secrets and settings of the old machine are in ${done.outside}; put them back, and remove it.`]
        : []),
      '',
    ]
    io.stdout.write(options.json ? `${JSON.stringify(done, null, 2)}\n` : lines.join('\n'))
    return 0
  } finally {
    for (const one of destinations) one.close()
  }
}
