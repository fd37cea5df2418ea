import { readIdentities } from './age-files.ts'
import { durationText, readOptions } from './arguments.ts'
import { type ApplianceIo, openAppliance } from './backup-command.ts'
import { type Drill, type DrillDeps, drill, type Rederived } from './drill.ts'

const help = `Usage: evothesis drill [options]

  Proves that this machine can be restored: restores a backup into a scratch database beside the real one, counts every
  table, makes one export part and one statement again from what was restored, and compares their hashes with those that
  were delivered and issued. The scratch database is dropped again; the report goes to the backup destination.

  --identity FILE   Private key of age (- is standard input): the shipped backup is tried, decryption included. Without it a
                    fresh dump is.
  --backup NAME     Which one; see evothesis backup --list. Default: latest.
  --json            Prints the report as JSON.

Needs pg_dump and pg_restore of the server's major version, and as much free disk as the database has.
Exit code: 0 everything agrees, 1 something does not, 2 wrong usage.
`

/** `evothesis drill …`. Resolves to the exit code. */
export const drillCommand = async (
  args: string[],
  io: ApplianceIo & {
    rederive: (
      io: ApplianceIo,
      config: ReturnType<ApplianceIo['config']>,
    ) => Pick<DrillDeps, 'rederivePart' | 'rederiveStatement'>
  },
): Promise<number> => {
  const text = { type: 'string' } as const
  const options = readOptions(args, { identity: text, backup: text }, help)
  if (options.help) {
    io.stdout.write(help)
    return 0
  }
  const identities = options.identity === undefined ? null : readIdentities(options.identity)
  const config = io.config()
  const opened = await openAppliance(config, io.clock)
  try {
    const report = await drill(
      { ...opened, ...io.rederive(io, config) },
      { wanted: options.backup ?? 'latest', identities },
    )
    io.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : textOf(report))
    return report.ok ? 0 : 1
  } finally {
    await opened.close()
  }
}

const textOf = (report: Drill): string =>
  [
    report.backup === null
      ? 'A fresh dump (no key was given: decryption was not tried).'
      : `Backup ${report.backup}, decrypted.`,
    ...(report.restore_ms > 0
      ? [
          `Restored ${report.rows} rows in ${report.tables} tables within ${durationText(report.restore_ms)}; all counts agree.`,
          line('Export part', report.part),
          line('Statement', report.statement),
        ]
      : []),
    report.ok ? 'The drill passed.' : `The drill FAILED: ${report.error}`,
    '',
  ].join('\n')

const line = (what: string, one: Rederived): string =>
  one === null
    ? `${what}: none to make again.`
    : `${what}: ${one.what}, ${one.stated === one.derived ? `the same ${one.stated.slice(0, 16)}…` : `stated ${one.stated}, derived ${one.derived}`}`
