import type { EventEmitter } from 'node:events'
import { AggregatorRegistry, register as globalRegister, type Registry } from 'prom-client'
import type { Clock } from '../clock.ts'
import { type App, requireAdminOrLocal } from '../http.ts'
import type { Secret } from '../secret.ts'

/** The figures of one collector, as prom-client hands them from process to process. */
type Figures = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[]
type Question = { asks: 'metrics'; n: number }
type Answer = { metrics: Figures; n: number }

/** A collector as its parent sees it. */
export type Collector = Pick<EventEmitter, 'on' | 'off'> & {
  id: number
  isConnected(): boolean
  send(question: Question): unknown
}

/** A collector that answers later is busy, or has not begun yet; Prometheus itself gives up after 10 s. */
const answerMsMax = 2_000

/** In a collector: answers the parent's questions for its figures. */
export const answerParent = (registries: readonly Registry[]): void => {
  process.on('message', ({ asks, n }: Partial<Question>) => {
    if (asks !== 'metrics') return
    Promise.all(registries.map((one) => one.getMetricsAsJSON())).then(
      (metrics) => process.send?.({ metrics, n }),
      // It counts as silent.
      () => undefined,
    )
  })
}

/**
 * `GET /metrics` in the parent of several collectors: sums over all of them, the oldest spool, and its own figures. One that
 * does not answer in time takes part with what it said last, so that no sum goes down and comes back, which Prometheus would
 * count twice; `evothesis_collectors` says how many answered.
 */
export const fleetMetricsRoutes =
  ({ adminToken, clock, collectors }: { adminToken: Secret; clock: Clock; collectors: () => readonly Collector[] }) =>
  (app: App): void => {
    let asked = 0
    let known = new Map<number, Figures>()
    app.get('/metrics', { onRequest: requireAdminOrLocal(adminToken.reveal()) }, async (_request, reply) => {
      const there = collectors()
      const n = ++asked
      const answers = await Promise.all(there.map(async (one) => ({ id: one.id, said: await ask(one, n, clock) })))
      for (const { id, said } of answers) if (said) known.set(id, said)
      // One that has ended and was replaced is a counter that began again, as everywhere.
      known = new Map([...known].filter(([id]) => there.some((one) => one.id === id)))
      const answered = answers.filter(({ said }) => said).length
      const sums = await AggregatorRegistry.aggregate([...known.values()].flat()).metrics()
      return reply
        .type(globalRegister.contentType)
        .send(`${sums}\n${answeredText(answered, there.length)}\n${await globalRegister.metrics()}`)
    })
  }

/** Undefined when there is no answer in time. */
const ask = (collector: Collector, n: number, clock: Clock): Promise<Figures | undefined> =>
  new Promise((resolve) => {
    const late = new AbortController()
    const end = (said: Figures | undefined): void => {
      collector.off('message', hear)
      collector.off('exit', leave)
      late.abort()
      resolve(said)
    }
    const hear = (answer: Partial<Answer>): void => {
      if (answer.n === n && answer.metrics) end(answer.metrics)
    }
    const leave = (): void => end(undefined)
    if (!collector.isConnected()) return resolve(undefined)
    collector.on('message', hear)
    collector.on('exit', leave)
    void clock.sleep(answerMsMax, late.signal).then(leave, leave)
    collector.send({ asks: 'metrics', n })
  })

const answeredText = (answered: number, all: number): string =>
  [
    '# HELP evothesis_collectors Collector processes, by whether they answered in time; the others are here with what they said last.',
    '# TYPE evothesis_collectors gauge',
    `evothesis_collectors{answered="yes"} ${answered}`,
    `evothesis_collectors{answered="no"} ${all - answered}`,
  ].join('\n')
