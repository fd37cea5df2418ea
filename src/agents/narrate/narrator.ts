import type { Anthropic, Middleware } from '@anthropic-ai/sdk'
import { context, type Span, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Clock } from '../../clock.ts'
import type { Db } from '../../db.ts'
import { messageOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Narrate, Narrative, NarrativeRequest, NarrativeSubject } from '../narrative.ts'
import { type Answer, askForNarrative, type Model, outputTokens } from './ask.ts'
import { type Budget, type BudgetLimits, createBudget } from './budget.ts'
import { insertKept, keyOf, selectKept } from './cache.ts'
import { metering } from './client.ts'
import { type Failure, failureOf } from './failure.ts'
import { isPriced, pricesAsOf } from './prices.ts'
import { type View, viewOf } from './view.ts'

export type NarratorDeps = {
  db: Db
  clock: Clock
  log: Log
  model: Model
  /** Called when there is something to ask, once a run. */
  openClient: (middleware: Middleware[]) => Anthropic
  limits: BudgetLimits
  /** Of one note: all its requests, the SDK's retries and the reading of the answers. */
  noteMs: number
  /** What is worth asking about in this run; what is kept is used in any case. */
  subjects?: readonly NarrativeSubject[]
}

/** Notes that are asked about at the same time. */
const atOnce = 3
/** After so many notes in a row that the API had no answer for, the run asks no more. */
const failuresMax = 3
const viewsAtOnce = 10
/** Of a text with fewer facts than this, the plain one says everything. */
export const factsMin = 2
const order: readonly NarrativeSubject[] = ['alert', 'insight', 'day', 'funnel', 'segment', 'heatmap']

/** What the model would see of a note is made again when its turn comes: a vault of many months is asked about at once. */
type Waiting = { readonly request: NarrativeRequest; readonly key: string; readonly latest: string }
type Run = {
  begin: () => Asking
  counts: Counts
  span: Span
  report: Parameters<Narrate>[1]
  signal: AbortSignal | undefined
}
type Counts = { kept: number; written: number; rejected: number; unanswered: number; failed: number; plain: number }

/**
 * Has Claude write the texts of notes over their facts. Promises an answer to every request, and never throws: where no
 * text could be had that holds against the facts, within the budget, the plain one stands. One narrator is one run: its
 * budget is for all that it is asked, and once the API has refused it asks no more. Texts are kept by the hash of their
 * facts, so that an unchanged note costs nothing, also after a restart.
 */
export const createNarrator = (deps: NarratorDeps): Narrate => {
  let asking: Asking | undefined
  const begin = (): Asking => {
    asking ??= createAsking(deps, createBudget(deps.limits, { clock: deps.clock, model: deps.model.name }))
    return asking
  }
  return async (requests, report, signal) => {
    const answers = new Map<string, Narrative>(requests.map(({ noteId, plain }) => [noteId, plain]))
    const counts: Counts = { kept: 0, written: 0, rejected: 0, unanswered: 0, failed: 0, plain: 0 }
    const tracer = trace.getTracer('evothesis')
    const span = tracer.startSpan('evothesis.narrate', { attributes: { 'evothesis.notes': requests.length } })
    try {
      await context.with(trace.setSpan(context.active(), span), () =>
        narrateAll(deps, requests, answers, { begin, counts, span, report, signal }),
      )
      span.setStatus({ code: SpanStatusCode.OK })
    } catch (error) {
      // The database, or a fault of this program: the notes are complete without.
      span.setStatus({ code: SpanStatusCode.ERROR })
      deps.log.warn(
        { reason: messageOf(error).slice(0, 200) },
        'texts could not be written; the notes keep their plain ones',
      )
    } finally {
      span.end()
    }
    return answers
  }
}

const narrateAll = async (
  deps: NarratorDeps,
  requests: readonly NarrativeRequest[],
  answers: Map<string, Narrative>,
  { begin, counts, span, report, signal }: Run,
): Promise<void> => {
  const { db, clock, log, model } = deps
  let done = 0
  const finish = (): void => report?.(++done, requests.length)
  const worthwhile: Waiting[] = []
  for (const [index, request] of requests.entries()) {
    // Others of this process are not kept waiting.
    if (index % viewsAtOnce === 0) await clock.sleep(0)
    const view = viewOf(request.facts)
    if (view.facts.length >= factsMin)
      worthwhile.push({ request, key: keyOf(model, request.subject, view), latest: latestOf(view) })
    else {
      counts.plain++
      finish()
    }
  }
  const kept = await selectKept(db, [...new Set(worthwhile.map(({ key }) => key))])
  const waiting: Waiting[] = []
  for (const one of worthwhile) {
    const found = kept.get(one.key)
    const isWanted = deps.subjects === undefined || deps.subjects.includes(one.request.subject)
    if (found === undefined && isWanted) {
      waiting.push(one)
      continue
    }
    if (found?.narrative) answers.set(one.request.noteId, found.narrative)
    counts[found?.narrative ? 'kept' : 'plain']++
    finish()
  }
  if (waiting.length === 0) return
  waiting.sort(byWorth)
  const { ask, budget } = begin()
  const before = budget.spent().requests
  const next = waiting.values()
  const work = async (): Promise<void> => {
    for (const one of next) {
      const answer = await ask(one, signal)
      if (answer?.kind === 'written') answers.set(one.request.noteId, answer.narrative)
      counts[answer?.kind ?? 'failed']++
      finish()
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, waiting.length) }, work))
  if (budget.spent().requests === before) return
  const { requests: sent, inputTokens, outputTokens: written, usd } = budget.spent()
  span.setAttributes({ 'evothesis.requests': sent, 'evothesis.usd': usd, 'evothesis.texts': counts.written })
  log.info(
    { ...counts, requests: sent, inputTokens, outputTokens: written, usd: Number(usd.toFixed(6)), model: model.name },
    'texts were asked for',
  )
}

/** What a person should see first is paid for first: alerts, then what is latest. */
const byWorth = (a: Waiting, b: Waiting): number =>
  Number(b.request.subject === 'alert') - Number(a.request.subject === 'alert') ||
  (a.latest < b.latest ? 1 : a.latest > b.latest ? -1 : 0) ||
  order.indexOf(a.request.subject) - order.indexOf(b.request.subject)

const latestOf = (view: View): string =>
  view.facts
    .map(({ fact }) => fact.window.to)
    .sort()
    .at(-1) ?? ''

/** Asks about one note after another until the run has to end: what comes after is left plain at once. */
const createAsking = (deps: NarratorDeps, budget: Budget) => {
  const { clock, log, model } = deps
  let ended: Failure | undefined
  let failuresInRow = 0
  let client: Anthropic | undefined
  const end = (failure: Failure): void => {
    if (ended) return
    ended = failure
    log.warn({}, `Claude API: ${failure.line}. The other notes of this run keep their plain texts`)
  }
  if (!isPriced(model.name))
    log.warn({}, `the prices of ${pricesAsOf} do not name AGENTS_MODEL: it is counted as the dearest model`)

  const ask = async (one: Waiting, stop: AbortSignal | undefined): Promise<Answer | undefined> => {
    if (ended || stop?.aborted) return undefined
    const { request, key } = one
    const view = viewOf(request.facts)
    try {
      client ??= deps.openClient([metering(budget, outputTokens)])
      const opened = client
      const answer = await within(clock, Math.min(deps.noteMs, budget.leftMs()), stop, (signal) =>
        askForNarrative({ client: opened, model, view, signal, subject: request.subject }),
      )
      failuresInRow = 0
      log.debug({ key, facts: view.facts.length, outcome: answer.kind }, 'a text was asked for')
      await keep(deps, one, answer)
      return answer
    } catch (error) {
      if (stop?.aborted) return undefined
      const failure =
        budget.leftMs() === 0 ? { kind: 'spent' as const, line: 'the time of this run is up' } : failureOf(error)
      failuresInRow++
      if (failure.kind === 'spent' || failure.kind === 'misconfigured' || failuresInRow >= failuresMax) end(failure)
      else log.debug({ key }, `Claude API: ${failure.line}`)
      return undefined
    }
  }
  return { ask, budget }
}
type Asking = ReturnType<typeof createAsking>

/** What was paid for is in the note also where it cannot be kept. */
const keep = async (
  { db, clock, log, model }: NarratorDeps,
  { request, key }: Waiting,
  answer: Answer,
): Promise<void> => {
  const isWritten = answer.kind === 'written'
  await insertKept(db, {
    ...{ key, model: model.name, subject: request.subject, writtenMs: clock.now() },
    narrative: isWritten ? answer.narrative : null,
    reason: isWritten ? null : answer.kind,
  }).catch((error: unknown) => log.warn({ reason: messageOf(error).slice(0, 200) }, 'a text could not be kept'))
}

const within = async <T>(
  clock: Clock,
  ms: number,
  stop: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const [over, late] = [new AbortController(), new AbortController()]
  void clock.sleep(ms, over.signal).then(() => {
    if (!over.signal.aborted) late.abort()
  })
  try {
    return await work(stop ? AbortSignal.any([late.signal, stop]) : late.signal)
  } finally {
    over.abort()
  }
}
