import { readFileSync } from 'node:fs'
import { findBufferUrl } from '../buffer.ts'
import { createDb } from '../db.ts'
import { AppError, messageOf } from '../errors.ts'
import { createDestinations } from '../storage/destinations.ts'
import { readOptions } from './arguments.ts'
import type { ApplianceIo } from './backup-command.ts'
import type { Check } from './check.ts'
import { type HostReport, parseHostReport } from './check-host.ts'
import { examine } from './doctor.ts'

const help = `Usage: evothesis doctor [options]

  Examines this machine: settings, disk, clock, certificate, database, exports, webhooks, spool, both destinations (writes and
  reads a small object), backups and drills.

  --host FILE   What ./doctor.sh of an appliance tells of the machine around the containers; - is standard input.
  --json        Prints the answer as JSON.

Exit code: 0 nothing failed, 1 something did, 2 wrong usage.
`

/** `evothesis doctor`. Resolves to the exit code. */
export const doctorCommand = async (
  args: string[],
  io: Pick<ApplianceIo, 'config' | 'clock' | 'stdout'>,
): Promise<number> => {
  const options = readOptions(args, { host: { type: 'string' } }, help)
  if (options.help) {
    io.stdout.write(help)
    return 0
  }
  const host = options.host === undefined ? undefined : readHost(options.host)
  const config = io.config()
  const url = await findBufferUrl(config)
  const db =
    url === undefined
      ? undefined
      : createDb({ url, applicationName: 'evothesis doctor', connectionsMax: 2, clock: io.clock })
  const destinations = createDestinations(config)
  try {
    const found = await examine({ config, clock: io.clock, db, destinations }, host)
    io.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : renderChecks(found.checks))
    return found.ok ? 0 : 1
  } finally {
    await db?.close()
    for (const one of destinations) one.close()
  }
}

const readHost = (file: string): HostReport => {
  try {
    return parseHostReport(readFileSync(file === '-' ? 0 : file, 'utf8'))
  } catch (cause) {
    throw new AppError('usage_invalid', `${file} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

const marks: Record<Check['state'], string> = { ok: 'ok', warn: 'WARN', fail: 'FAIL', skipped: '-' }

/** A line for each check, what failed last, and what to do about it below. */
export const renderChecks = (checks: readonly Check[]): string => {
  const width = Math.max(...checks.map((one) => one.name.length)) + 2
  const order = ['skipped', 'ok', 'warn', 'fail']
  const lines = [...checks]
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
    .flatMap((one) => [
      `${marks[one.state].padEnd(6)}${one.name.padEnd(width)}${one.found}`,
      ...(one.advice ? [`${' '.repeat(6 + width)}${one.advice}`] : []),
    ])
  const count = (state: Check['state']) => checks.filter((one) => one.state === state).length
  return `${[...lines, '', `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed, ${count('skipped')} not asked.`, ''].join('\n')}`
}
