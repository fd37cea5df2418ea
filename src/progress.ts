import { type Clock, systemClock } from './clock.ts'

export type Progress = {
  /** How many of the total are done. Cheap: draws only when there is something new to see. */
  update(done: number): void
  /** Ends the bar, or prints the last line; further calls do nothing. */
  finish(): void
}

/** A terminal is redrawn at most this often; plain output gets a line every tenth of the way. */
const redrawMs = 100
const barCells = 24
const plainLinesMax = 10

/**
 * Shows how far a long command is: a bar on a terminal, plain lines elsewhere (a log, a CI run, a pipe). Write it to
 * standard error, so that standard output holds the answer only. Amounts are in `unit`s, for example events.
 */
export const createProgress = (options: {
  stream: NodeJS.WritableStream & { isTTY?: boolean }
  label: string
  total: number
  unit: string
  clock?: Clock
}): Progress => {
  const { stream, label, total, unit } = options
  const clock = options.clock ?? systemClock
  const startedMs = clock.now()
  let done = 0
  let drawnMs = Number.NEGATIVE_INFINITY
  let tenth = 0
  let isFinished = false

  const share = (): number => (total > 0 ? Math.min(1, done / total) : 1)
  const draw = (): void => {
    const cells = Math.round(share() * barCells)
    stream.write(`\r\u001b[2K${label} ${'█'.repeat(cells)}${'░'.repeat(barCells - cells)} ${amounts()}${pace()}`)
  }
  const line = (): void => {
    stream.write(`${label}: ${amounts()}${pace()}\n`)
  }
  const amounts = (): string =>
    `${Math.floor(share() * 100)} % (${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')} ${unit})`
  const pace = (): string => {
    const seconds = (clock.now() - startedMs) / 1000
    return seconds < 1 ? '' : `, ${Math.round(done / seconds).toLocaleString('en-US')} ${unit}/s`
  }
  return {
    update(now) {
      if (isFinished) return
      done = now
      if (stream.isTTY) {
        if (clock.now() - drawnMs < redrawMs) return
        drawnMs = clock.now()
        draw()
      } else if (Math.floor(share() * plainLinesMax) > tenth && done < total) {
        tenth = Math.floor(share() * plainLinesMax)
        line()
      }
    },
    finish() {
      if (isFinished) return
      isFinished = true
      if (!stream.isTTY) return line()
      draw()
      stream.write('\n')
    },
  }
}
