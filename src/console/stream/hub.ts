import { randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { Db } from '../../db.ts'
import type { Log } from '../../log.ts'
import { createSerial } from '../../serial.ts'
import { createAlertWatch } from './alert-watch.ts'
import { type LiveRow, placeOf, selectLiveRows, selectRowTexts } from './live-rows.ts'
import { createBatchWatch } from './new-batches.ts'

/** Which events a listener wants; nothing set: all. Alerts come to everybody. */
export type StreamFilter = { site?: string | undefined; type?: string | undefined; visitor?: string | undefined }
export type Message = { id: string | undefined; event: 'event' | 'alert' | 'skipped' | 'gap'; data: string }
export type Listener = {
  filter: StreamFilter
  /** The id of the last message that it has; undefined for a new one. */
  after: string | undefined
  /** Whether what was sent before has left this process: else nothing more is given to it. */
  isReady(): boolean
  send(messages: readonly Message[]): void
  /** Cut off: it was not ready for too long, or the server stops. */
  cut(): void
}

/** Between two looks at the ledger. */
const lookMs = 500
/** The hub goes on for so long after the last listener has gone, so that one that comes back misses nothing. */
const lingerMs = 60_000
/** Rows of one look that are looked at. What is beyond is counted as skipped. */
const rowsMax = 2_000
type Share = { messages: number; texts: number; chars: number }
/** Messages for one, and rows that are read with their content for all, at one look: more than anybody reads. */
const lookShare: Share = { messages: 25, texts: 100, chars: 1_000_000 }
/** For one that comes back. */
const resumeShare: Share = { messages: 500, texts: 500, chars: 4_000_000 }
/** Messages that a listener may come back for. */
const ringMax = 5_000
export const listenersMax = 100
/** Looks in a row at which a listener was not ready. */
const notReadyMax = 60

type Item = { n: number; row?: LiveRow; alert?: string }

/**
 * The live stream: what was stored, a moment ago, for everybody who looks. It looks at the ledger only while somebody
 * listens, and reads a bounded number of rows each time, so that neither traffic nor the number of listeners weigh on the
 * collector. Whoever is too slow is told how much was left out, and in the end cut off.
 */
export const createHub = (deps: { db: Db; clock: Clock; log: Log }) => {
  const { db, clock, log } = deps
  const epoch = randomBytes(4).toString('hex')
  const listeners = new Map<Listener, { skipped: number; notReady: number }>()
  const ended = new AbortController()
  /** Looks and resumptions take turns, so that everybody gets everything once and in order. */
  const inTurn = createSerial()
  let ring: Item[] = []
  let last = 0
  let idleSinceMs = 0
  let running: Promise<void> | undefined

  const idOf = ({ n }: Item): string => `${epoch}-${n}`
  const add = (one: Omit<Item, 'n'>): Item => {
    const item = { ...one, n: ++last }
    ring.push(item)
    return item
  }

  /** Gives items to listeners: each its own, with their content read once for all. */
  const deliver = async (
    items: readonly Item[],
    to: Iterable<Listener>,
    unseen: number,
    most: Share,
  ): Promise<void> => {
    const wanted = new Map<Listener, Item[]>()
    const rows = new Map<string, LiveRow>()
    for (const listener of to) {
      const state = listeners.get(listener)
      if (!state) continue
      const own = items.filter((item) => accepts(listener.filter, item))
      state.skipped += unseen
      if (!listener.isReady()) {
        state.skipped += own.length
        if (++state.notReady > notReadyMax) remove(listener)
        continue
      }
      state.notReady = 0
      const taken = own.slice(0, most.messages).filter(({ row }) => {
        if (!row) return true
        if (rows.size >= most.texts && !rows.has(placeOf(row))) return false
        rows.set(placeOf(row), row)
        return true
      })
      state.skipped += own.length - taken.length
      wanted.set(listener, taken)
    }
    const texts = await selectRowTexts(db, [...rows.values()])
    for (const [listener, own] of wanted) {
      const state = listeners.get(listener)
      if (!state) continue
      let chars = 0
      const messages = own.flatMap((item): Message[] => {
        if (item.alert !== undefined) return [{ id: idOf(item), event: 'alert', data: item.alert }]
        const text = item.row && texts.get(placeOf(item.row))
        if (text === undefined) return []
        chars += text.length
        if (chars <= most.chars) return [{ id: idOf(item), event: 'event', data: text }]
        state.skipped++
        return []
      })
      if (state.skipped > 0)
        messages.push({ id: undefined, event: 'skipped', data: JSON.stringify({ events: state.skipped }) })
      state.skipped = 0
      if (messages.length > 0) listener.send(messages)
    }
  }

  const remove = (listener: Listener): void => {
    if (!listeners.delete(listener)) return
    listener.cut()
    if (listeners.size === 0) idleSinceMs = clock.now()
  }

  const look = async (watch: ReturnType<typeof createBatchWatch>, alerts: ReturnType<typeof createAlertWatch>) => {
    const batches = await watch.look()
    const stored = batches.reduce((sum, { events }) => sum + events, 0)
    const rows = batches.length === 0 ? [] : await selectLiveRows(db, batches, rowsMax)
    const items = [
      ...(await alerts.look()).map((alert) => add({ alert: JSON.stringify(alert) })),
      ...rows.map((row) => add({ row })),
    ]
    ring = ring.slice(-ringMax)
    const unseen = stored > rowsMax ? Math.max(0, stored - rows.length) : 0
    if (items.length > 0 || unseen > 0) await deliver(items, [...listeners.keys()], unseen, lookShare)
  }

  const run = async (): Promise<void> => {
    const [watch, alerts] = [createBatchWatch(db), createAlertWatch(db)]
    while (!ended.signal.aborted && (listeners.size > 0 || clock.now() - idleSinceMs < lingerMs)) {
      try {
        await inTurn(() => look(watch, alerts))
      } catch (error) {
        log.info({ err: error }, 'the live stream could not look at the buffer')
      }
      await clock.sleep(lookMs, ended.signal)
    }
    // Nobody is told what happens from now on, so nobody may come back to what was before.
    ring = []
    last++
    running = undefined
    if (listeners.size > 0 && !ended.signal.aborted) running = run()
  }

  /** What the listener missed, or that it cannot be told. */
  const resume = async (listener: Listener): Promise<void> => {
    if (listener.after === undefined) return
    const [theirs, text = ''] = listener.after.split('-')
    const after = Number(text)
    const isHere = theirs === epoch && /^\d+$/.test(text) && after <= last && after >= (ring[0]?.n ?? last + 1) - 1
    if (!isHere)
      return listener.send([{ id: undefined, event: 'gap', data: JSON.stringify({ after: listener.after }) }])
    await deliver(
      ring.filter(({ n }) => n > after),
      [listener],
      0,
      resumeShare,
    )
  }

  return {
    isFull: () => listeners.size >= listenersMax || ended.signal.aborted,
    /** Undefined when there are too many. Call what it answers when the listener has gone. */
    async listen(listener: Listener): Promise<(() => void) | undefined> {
      if (listeners.size >= listenersMax || ended.signal.aborted) return undefined
      await inTurn(async () => {
        listeners.set(listener, { skipped: 0, notReady: 0 })
        await resume(listener)
      }).catch((error: unknown) => log.info({ err: error }, 'a stream could not be resumed'))
      running ??= run()
      return () => remove(listener)
    },
    state: () => ({ listeners: listeners.size, ring: ring.length, isLooking: running !== undefined }),
    async close() {
      ended.abort()
      for (const listener of [...listeners.keys()]) remove(listener)
      await running
    },
  }
}
export type Hub = ReturnType<typeof createHub>

const accepts = ({ site, type, visitor }: StreamFilter, { row }: Item): boolean =>
  !row ||
  ((site === undefined || row.site === site) &&
    (type === undefined || row.type === type) &&
    (visitor === undefined || row.visitor === visitor))
