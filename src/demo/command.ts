import { type Clock, systemClock } from '../clock.ts'
import { AppError, isAppError, messageOf } from '../errors.ts'
import { createProgress } from '../progress.ts'
import { generateTraffic, type Traffic } from './generate.ts'
import { type DemoTrafficOptions, demoTrafficHelp, readDemoTrafficOptions } from './options.ts'
import { renderPlanted } from './report.ts'
import { type SendReport, sendTraffic } from './send.ts'

export type DemoIo = {
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream & { isTTY?: boolean }
  /** The collector that is meant when `--url` is not given. */
  url?: string
  clock?: Clock
  signal?: AbortSignal
}

const urlDefault = 'http://localhost:8000'

/**
 * `evothesis demo traffic`: generates, sends, and prints what was planted. Resolves to the exit code; the answer goes to
 * standard output, progress and errors to standard error.
 */
export const demoTraffic = async (args: string[], io: DemoIo): Promise<number> => {
  const clock = io.clock ?? systemClock
  try {
    const url = io.url ?? urlDefault
    const options = readDemoTrafficOptions(args, { nowMs: clock.now(), url })
    if (options === 'help') {
      io.stdout.write(demoTrafficHelp(url))
      return 0
    }
    const traffic = generateTraffic(options)
    const sent = await send(traffic, options, io, clock)
    io.stdout.write(options.json ? json(traffic, sent) : `${renderPlanted(traffic.planted())}${outcome(sent, options)}`)
    return sent.rejected === 0 ? 0 : 1
  } catch (error) {
    const isUsage = isAppError(error) && error.code === 'usage_invalid'
    io.stderr.write(`${messageOf(error)}${isUsage ? ' See evothesis demo traffic --help.' : ''}\n`)
    return isUsage ? 2 : 1
  }
}

const send = async (traffic: Traffic, options: DemoTrafficOptions, io: DemoIo, clock: Clock): Promise<SendReport> => {
  const progress = createProgress({ stream: io.stderr, label: 'Sending', total: options.events, unit: 'events', clock })
  try {
    return await sendTraffic({
      ...{ url: options.url, requests: traffic.requests, concurrency: options.concurrency, clock },
      ...(io.signal && { signal: io.signal }),
      onProgress: progress.update,
    })
  } catch (error) {
    if (isAppError(error)) throw error
    throw new AppError('internal', `Sending to ${options.url} was stopped: ${messageOf(error)}.`, { cause: error })
  } finally {
    progress.finish()
  }
}

const outcome = (sent: SendReport, { url }: DemoTrafficOptions): string => {
  const count = (value: number): string => value.toLocaleString('en-US')
  const refused = sent.rejected === 0 ? '' : `, ${count(sent.rejected)} were REJECTED`
  const repeats = sent.retries === 0 ? '' : ` (${count(sent.retries)} requests were sent again)`
  return `${url} acknowledged ${count(sent.events)} events${refused}${repeats}.\n`
}

const json = (traffic: Traffic, sent: SendReport): string => {
  const { detail: _, ...planted } = traffic.planted()
  return `${JSON.stringify({ ...planted, sent }, null, 2)}\n`
}
