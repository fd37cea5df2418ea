import { connect, type Socket } from 'node:net'
import { median } from '../../src/agents/statistics/quantiles.ts'

export type LoadOptions = {
  port: number
  /** Events of a request. */
  each: number
  /** Events a second; 0: as fast as it goes, over so many connections. */
  rate: number
  connections: number
  seconds: number
  /** Number of the first request: no two of them are alike. */
  from?: number
}
export type LoadReport = {
  /** Milliseconds until the answer of each request, shortest first. */
  latenciesMs: number[]
  requests: number
  acknowledged: number
  failed: number
  seconds: number
}

/**
 * Sends events as browsers do. At a fixed rate requests are sent on schedule, whether or not earlier ones were answered, and
 * waiting counts from the schedule (no coordinated omission). `run` may be called again: no request is ever sent twice.
 */
export const createLoad = ({ port, each, rate, connections, seconds, from = 0 }: LoadOptions) => {
  let sent = from
  const prepared: Buffer[] = []
  /** Makes that many requests beforehand, so that making them is no part of what is measured. */
  const prepare = (requests: number): void => {
    while (prepared.length < requests) prepared.push(Buffer.from(makeRequest()))
    prepared.reverse()
  }
  const nextRequest = (): string | Buffer => prepared.pop() ?? makeRequest()
  const makeRequest = (): string => {
    const body = bodyOf(sent++, each)
    return `POST /collect HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  }

  const run = async (isEnough: () => boolean = () => false): Promise<LoadReport> => {
    const report: LoadReport = { latenciesMs: [], requests: 0, acknowledged: 0, failed: 0, seconds: 0 }
    const sockets: Socket[] = []
    const note = (sender: Sender, ok: boolean): void => {
      report.latenciesMs.push(performance.now() - sender.dueMs)
      if (ok) report.acknowledged++
      else report.failed++
    }
    const send = (sender: Sender, dueMs: number): void => {
      sender.dueMs = dueMs
      report.requests++
      sender.socket.write(nextRequest())
    }
    const openOne = async (answered: (sender: Sender, ok: boolean) => void): Promise<Sender> => {
      const sender = await open(port, answered)
      sockets.push(sender.socket)
      return sender
    }

    const atFixedRate = async (): Promise<void> => {
      const free: Sender[] = []
      const answered = (sender: Sender, ok: boolean) => {
        note(sender, ok)
        free.push(sender)
      }
      const begun = performance.now()
      const everyMs = (1000 * each) / rate
      for (let n = 0; n * everyMs < seconds * 1000 && !isEnough(); ) {
        const due = begun + n * everyMs
        if (performance.now() < due) {
          await new Promise((resolve) => setTimeout(resolve, 1))
          continue
        }
        // Like a browser: a connection is opened when it is needed, and closed by the server when it is idle for long.
        let sender = free.pop()
        while (sender?.socket.destroyed) sender = free.pop()
        sender ??= await openOne(answered)
        send(sender, due)
        n++
      }
      const patienceEnds = performance.now() + 30_000
      while (report.acknowledged + report.failed < report.requests && performance.now() < patienceEnds)
        await new Promise((resolve) => setTimeout(resolve, 5))
    }

    const asFastAsItGoes = async (): Promise<void> => {
      const end = performance.now() + seconds * 1000
      let open = connections
      const isPrepared = prepared.length > 0
      await new Promise<void>((resolve, reject) => {
        const next = (sender: Sender) => {
          if (performance.now() >= end || (isPrepared && prepared.length === 0))
            return --open === 0 ? resolve() : undefined
          send(sender, performance.now())
        }
        const answered = (sender: Sender, ok: boolean) => {
          note(sender, ok)
          next(sender)
        }
        for (let i = 0; i < connections; i++) openOne(answered).then(next, reject)
      })
    }

    const started = performance.now()
    await (rate > 0 ? atFixedRate() : asFastAsItGoes())
    report.seconds = (performance.now() - started) / 1000
    for (const socket of sockets) socket.destroy()
    report.latenciesMs.sort((a, b) => a - b)
    return report
  }
  return { run, prepare }
}

export const medianOf = (values: readonly number[]): number => median(values) ?? Number.NaN

/** Of numbers in their order. */
export const percentileOf = (sorted: readonly number[], p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN

/** As the pixel sends them, in size and in kind. */
export const bodyOf = (n: number, each: number): string => {
  const event = (i: number) => ({
    ...{ eventType: i % 5 === 0 ? 'pageview' : 'click', eventId: `p0abb1ac66c9b0f83${n}-${i}`, seq: i },
    timestamp: new Date().toISOString(),
    url: `https://www.shop.example/products/${n % 997}?utm_source=newsletter&page=${i >> 4}`,
    path: `/products/${n % 997}`,
    page: { title: `Product ${n % 997} – Shop`, referrer: 'https://www.shop.example/', width: 1920, height: 1080 },
    eventData: { tagName: 'a', classes: 'btn btn-primary', text: 'Add to cart', position: { x: 412, y: 958 }, n, i },
  })
  const ids = { sessionId: `s${n % 5000}`, visitorId: `v${n % 4000}`, siteId: 'shop-example', batchId: `b${n}` }
  return JSON.stringify(
    each === 1
      ? { ...ids, ...event(0) }
      : { eventType: 'batch', ...ids, events: Array.from({ length: each }, (_, i) => event(i)) },
  )
}

type Sender = { socket: Socket; dueMs: number }

/** One keep-alive connection, one request at a time: a browser's share of the traffic, at the least cost to this process. */
const open = async (port: number, answered: (sender: Sender, ok: boolean) => void): Promise<Sender> => {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  // An idle connection that is closed is not used again; one with a request on it leaves the count wrong, and that is shown.
  socket.on('error', () => socket.destroy())
  const sender: Sender = { socket, dueMs: 0 }
  let received = ''
  socket.on('data', (chunk) => {
    received = received === '' ? chunk.toString('latin1') : received + chunk.toString('latin1')
    const head = received.indexOf('\r\n\r\n')
    const at = received.toLowerCase().indexOf('content-length: ')
    if (head === -1 || received.length < head + 4 + Number.parseInt(received.slice(at + 16, at + 24), 10)) return
    const ok = received.startsWith('HTTP/1.1 200')
    received = ''
    answered(sender, ok)
  })
  return sender
}
