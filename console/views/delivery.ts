import { drawCalendar, type Hour } from '../calendar.ts'
import { change, get } from '../call.ts'
import { button, el, empty, fill, section, state, table, tellFailure, toast } from '../dom.ts'
import { bytesText, count, durationText, hourEnd, hoursAgo, plural, share, timeText } from '../format.ts'
import { every, may, type Place, type View } from '../view.ts'

type Destination = {
  destination: string
  state: string
  last_part: { epoch: string; part: number; verified_at: string } | null
  parts_waiting: number
  events_waiting: number
  parts_quarantined: number
  lag_seconds: number
  error: string | null
  next_attempt_at: string | null
}
type Status = {
  buffered: { events: number; batches: number }
  unclaimed: { events: number }
  destinations: Destination[]
  running: { rows: number; rowsTotal: number; parts: number; delivered: Record<string, number> } | null
  verifying: { destination: string; done_bytes: number; total_bytes: number; finished: boolean }[] | null
  next_run_at: string | null
  retention: { buffer_hours: number; oldest_stored_at: string | null; held_by: string | null }
}
type Part = {
  part: string
  revision: number
  created_at: string
  received_from: string | null
  received_to: string | null
  events: number
  bytes: number
  quarantined: string | null
  destinations: { destination: string; state: string; error: string | null; advice: string | null }[]
}
type Verified = {
  destinations: {
    destination: string
    manifests: number
    objects: number
    events: number
    problems: { message: string; key: string }[]
  }[]
}

const calendarDays = 28
const pollMs = 1_000
const idleMs = 15_000

/** Whether everything that is owed has arrived. */
export const view: View = {
  title: 'Delivery',
  async show(place) {
    const { root } = place
    const alerts = el('ul', { class: 'alerts' })
    const destinations = el('div', {})
    const progress = el('div', {})
    // Said once; each step of the progress would be a flood of words.
    const outcome = el('div', { role: 'status' })
    const calendar = el('div', { class: 'calendar' })
    const retention = el('p', { class: 'note' })
    const parts = el('div', {})
    const actions = el('div', { class: 'bar' })
    root.append(
      alerts,
      section(
        'Destinations',
        ...[destinations, actions, el('div', { class: 'running' }, progress, outcome), retention],
      ),
      section(`The last ${calendarDays} days, hour by hour (UTC)`, calendar),
      section('Parts', parts),
    )
    if (may(place, 'operator')) actions.append(...operatorActions(place, { progress, outcome }, () => refresh()))
    let isBusy = false
    const refreshStatus = async (): Promise<void> => {
      const status = await get<Status>('/export/status')
      destinations.replaceChildren(destinationTable(status))
      retention.textContent = retentionText(status)
      showRun(progress, status)
      const wasBusy = isBusy
      isBusy = status.running !== null || status.verifying !== null
      if (wasBusy && !isBusy) await refreshRest()
    }
    const refreshRest = async (): Promise<void> => {
      const [{ hours }, open] = await Promise.all([
        get<{ hours: Hour[] }>('/api/hours', { from: hoursAgo(calendarDays * 24), to: hourEnd() }),
        get<{ alerts: { alert: string; text: string; cleared_at: string | null }[] }>('/alerts'),
      ])
      drawCalendar(calendar, hours, calendarDays)
      alerts.replaceChildren(
        ...open.alerts.filter((one) => one.cleared_at === null).map(({ text }) => el('li', {}, text)),
      )
    }
    const refresh = async (): Promise<void> =>
      void (await Promise.all([refreshStatus(), refreshRest(), showParts(parts)]))
    await refresh()
    let looks = 0
    every(place, pollMs, async () => {
      if (isBusy || looks++ % (idleMs / pollMs) === 0) await refreshStatus()
    })
    every(place, idleMs * 4, refreshRest)
  },
}

const kindOf: Record<string, 'good' | 'bad' | 'wait'> = {
  ...{ 'up to date': 'good', behind: 'wait', failing: 'bad', parked: 'bad', quarantined: 'bad' },
  ...{ verified: 'good', pending: 'wait' },
}

const nextStep: Record<string, string> = {
  behind: 'It is delivered with the next run.',
  failing: 'It is tried again by itself.',
  parked: 'The destination refuses access: give it keys or its policy, then Run now.',
  quarantined: 'Other bytes lie under the name of our file; see the part below.',
}

const destinationTable = ({ destinations }: Status): HTMLElement =>
  table(
    'Destinations',
    [
      { head: 'Destination', cell: (one: Destination) => one.destination },
      { head: 'State', cell: (one) => state(one.state, kindOf[one.state] ?? 'plain') },
      {
        head: 'Last verified part',
        cell: (one) => (one.last_part ? `${one.last_part.part}, ${timeText(one.last_part.verified_at)}` : 'none yet'),
      },
      { head: 'Lag', isNumber: true, cell: (one) => (one.lag_seconds === 0 ? 'none' : durationText(one.lag_seconds)) },
      { head: 'Parts waiting', isNumber: true, cell: (one) => count(one.parts_waiting) },
      { head: 'Events waiting', isNumber: true, cell: (one) => count(one.events_waiting) },
      {
        ...{ head: 'Next step', isText: true },
        cell: (one) =>
          [
            nextStep[one.state] ?? 'Nothing to do.',
            one.error,
            one.next_attempt_at && `Next attempt ${timeText(one.next_attempt_at)}.`,
          ]
            .filter(Boolean)
            .join(' '),
      },
    ],
    destinations,
  )

const retentionText = ({ buffered, retention, next_run_at: next }: Status): string =>
  [
    `The buffer holds ${plural(buffered.events, 'event')}; they leave ${retention.buffer_hours} hours after they were verified everywhere.`,
    retention.held_by && `Held by ${retention.held_by}.`,
    next ? `Next run ${timeText(next)}.` : 'Files are made on request only.',
  ]
    .filter(Boolean)
    .join(' ')

const operatorActions = (
  place: Place,
  { progress, outcome }: { progress: HTMLElement; outcome: HTMLElement },
  refresh: () => Promise<void>,
): HTMLElement[] => {
  const run = button(
    'Run now',
    () =>
      act(run, async () => {
        outcome.replaceChildren()
        await change('POST', '/export/run')
        toast('The run has begun.')
        for (let looks = 0; looks < 3600 && !place.signal.aborted; looks++) {
          await new Promise((resolve) => setTimeout(resolve, looks === 0 ? 300 : 700))
          const status = await get<Status>('/export/status')
          showRun(progress, status)
          if (!status.running) break
        }
        toast('The run is over.')
        await refresh()
      }),
    { class: 'main' },
  )
  const verify = button('Verify', () =>
    act(verify, async () => {
      let isOver = false
      outcome.replaceChildren()
      const verified = change<Verified>('POST', '/export/verify').finally(() => {
        isOver = true
      })
      const watch = async (): Promise<void> => {
        while (!isOver && !place.signal.aborted) {
          const status = await get<Status>('/export/status').catch(() => undefined)
          if (status && !isOver) showRun(progress, status)
          await new Promise((resolve) => setTimeout(resolve, 500))
        }
      }
      const [{ destinations }] = await Promise.all([verified, watch()])
      showRun(progress, { running: null, verifying: null })
      outcome.replaceChildren(
        ...destinations.map(({ destination, manifests, objects, events, problems }) =>
          el(
            'p',
            {},
            state(
              problems.length === 0 ? 'proven' : plural(problems.length, 'problem'),
              problems.length === 0 ? 'good' : 'bad',
            ),
            ` ${destination}: ${plural(manifests, 'manifest')}, ${plural(objects, 'file')}, ${plural(events, 'event')}. `,
            problems
              .slice(0, 5)
              .map(({ key, message }) => `${key}: ${message}`)
              .join(' · '),
          ),
        ),
      )
    }),
  )
  return [run, verify]
}

const act = async (pressed: HTMLButtonElement, work: () => Promise<void>): Promise<void> => {
  pressed.disabled = true
  try {
    await work()
  } catch (error) {
    toast((error as Error).message, true)
  } finally {
    pressed.disabled = false
  }
}

/** What is under way, a run or a verification; somebody else may have begun it. */
const showRun = (progress: HTMLElement, { running, verifying }: Pick<Status, 'running' | 'verifying'>): void => {
  if (!running && !verifying) {
    if (progress.dataset.run) progress.replaceChildren()
    delete progress.dataset.run
    return
  }
  progress.dataset.run = 'yes'
  if (!running) {
    progress.replaceChildren(...(verifying ?? []).map(verifyingLine))
    return
  }
  const delivered = Object.entries(running.delivered)
    .map(([name, events]) => `${name} ${count(events)}`)
    .join(', ')
  progress.replaceChildren(
    el('progress', { max: Math.max(1, running.rowsTotal), value: running.rows, 'aria-label': 'Run' }),
    el(
      'p',
      {},
      `${count(running.rows)} of ${plural(running.rowsTotal, 'event')} encoded in ${plural(running.parts, 'part')}${delivered && `; verified: ${delivered}`}.`,
    ),
  )
}

const verifyingLine = ({
  destination,
  done_bytes: done,
  total_bytes: total,
  finished,
}: NonNullable<Status['verifying']>[number]): HTMLElement => {
  const isCounted = total > 0 || finished
  const text = finished
    ? 'all looked at'
    : isCounted
      ? `${share(done / total)} of ${bytesText(total)} looked at`
      : 'reading manifests …'
  return el(
    'div',
    {},
    el('progress', {
      'aria-label': `Verifying ${destination}`,
      ...(isCounted && { max: 1, value: finished ? 1 : done / total }),
    }),
    el('p', {}, `${destination}: ${text}`),
  )
}

const showParts = async (box: HTMLElement): Promise<void> => {
  let open = (await get<{ rows: Part[] }>('/api/parts', { open: true, limit: 1 })).rows.length > 0
  const rows: Part[] = []
  let next: string | null = null
  const load = async (): Promise<void> => {
    const page: { rows: Part[]; next: string | null } = await get('/api/parts', {
      open,
      limit: 25,
      after: next ?? undefined,
    })
    rows.push(...page.rows)
    next = page.next
    draw()
  }
  const draw = (): void => {
    const only = el('input', {
      type: 'checkbox',
      checked: open,
      change: () => {
        open = only.checked
        rows.length = 0
        next = null
        tellFailure(load)
      },
    })
    fill(
      box,
      el('label', {}, only, ' Only those that have not arrived everywhere'),
      rows.length === 0
        ? empty(
            open ? 'Everything has arrived.' : 'There is no part yet.',
            open ? '' : 'Events become parts with the next run.',
          )
        : table('Parts', partColumns, rows),
      next && button('More', load),
    )
  }
  await load()
}

const partColumns = [
  { head: 'Part', cell: (one: Part) => el('code', {}, one.revision > 0 ? `${one.part}.r${one.revision}` : one.part) },
  { head: 'Received', cell: (one: Part) => `${timeText(one.received_from)} to ${timeText(one.received_to)}` },
  { head: 'Events', isNumber: true, cell: (one: Part) => count(one.events) },
  { head: 'Size', isNumber: true, cell: (one: Part) => bytesText(one.bytes) },
  {
    ...{ head: 'Where it is', isText: true },
    cell: (one: Part) =>
      el(
        'div',
        {},
        ...(one.quarantined ? [el('p', {}, state('set aside', 'bad'), ` ${one.quarantined}`)] : []),
        ...one.destinations.map((there) =>
          el(
            'div',
            {},
            `${there.destination} `,
            state(there.state, kindOf[there.state] ?? 'plain'),
            ...(there.advice
              ? [el('div', { class: 'note' }, [there.error, there.advice].filter(Boolean).join(' '))]
              : []),
          ),
        ),
        one.destinations.length === 0 && 'being encoded',
      ),
  },
]
