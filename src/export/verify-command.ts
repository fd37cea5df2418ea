import { parseArgs } from 'node:util'
import type { Config } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import { createProgress } from '../progress.ts'
import type { Destination } from '../storage/destination.ts'
import { createDestinations } from '../storage/destinations.ts'
import { openPlace } from '../storage/open-place.ts'
import { destinationNames } from '../types.ts'
import { renderVerify, type VerifyOutcome } from './render-verify.ts'
import { checkParity, verifyDestination } from './verify.ts'

type Io = { config: () => Config; stdout: NodeJS.WritableStream; stderr: NodeJS.WriteStream }

const help = `Usage: evothesis export verify [--full] [--destination client|backup] [--json]
       evothesis verify <place> [--full] [--endpoint URL] [--region NAME] [--json]

  Checks what was delivered from the files alone: manifests and their hash chains, and every object that they claim.
  The first form takes the destinations of the settings, and compares them where both can be read. The second needs
  nothing but read access to one place: s3://bucket/prefix (with the keys of the AWS environment or profile) or a folder.

  --full    Reads every object whole: SHA-256 and rows. Otherwise sizes, and the checksums that the server keeps.

Exit code: 0 all is as the manifests say (or, by the settings, nothing has been delivered yet), 1 it is not, or there are
no manifests in the place, 2 wrong usage.
`

/** `evothesis export verify` (no place) and `evothesis verify <place>`. Resolves to the exit code. */
export const verifyCommand = async (args: string[], io: Io, form: 'settings' | 'place'): Promise<number> => {
  const options = readArgs(args, form)
  if (options.help) {
    io.stdout.write(help)
    return 0
  }
  const destinations =
    options.place !== undefined
      ? [openPlace(options.place, options)]
      : createDestinations(io.config()).filter((one) => options.only === undefined || one.name === options.only)
  const outcome = await verifyAll(destinations, { full: options.full, mustHold: form === 'place' }, io)
  for (const destination of destinations) destination.close()
  io.stdout.write(options.json ? `${JSON.stringify(outcome, null, 2)}\n` : renderVerify(outcome))
  const problems = outcome.destinations.flatMap((one) => one.problems).concat(outcome.parity?.problems ?? [])
  return problems.length === 0 ? 0 : 1
}

const verifyAll = async (
  destinations: readonly Destination[],
  options: { full: boolean; mustHold: boolean },
  io: Io,
): Promise<VerifyOutcome> => {
  const reports: Awaited<ReturnType<typeof verifyDestination>>[] = []
  for (const destination of destinations) {
    let bar: ReturnType<typeof createProgress> | undefined
    const report = await verifyDestination(destination, {
      ...options,
      onProgress(done, total) {
        bar ??= createProgress({ stream: io.stderr, label: `Verify ${destination.name}`, total, unit: 'bytes' })
        bar.update(done)
      },
    })
    bar?.finish()
    reports.push(report)
  }
  const [a, b] = reports
  const parity = a && b ? checkParity(a.chain, b.chain) : null
  return {
    destinations: reports.map(({ chain: _, ...report }) => report),
    parity: parity && { problems: parity.problems, behind: [parity.behind.a, parity.behind.b] },
  }
}

const readArgs = (args: string[], form: 'settings' | 'place') => {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        full: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        destination: { type: 'string' },
        endpoint: { type: 'string' },
        region: { type: 'string' },
      },
    })
    const only = destinationNames.find((name) => name === values.destination)
    if (values.destination !== undefined && only === undefined) throw new Error('--destination is client or backup.')
    if (!values.help && positionals.length !== (form === 'place' ? 1 : 0))
      throw new Error(form === 'place' ? 'Name one place.' : 'Too many arguments.')
    return { ...values, only, place: positionals[0] }
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}
