import { CallError, change, get, save } from '../call.ts'
import { button, el, empty, field, section, select, state, table, toast } from '../dom.ts'
import { count, share, timeText } from '../format.ts'
import { every, may, type View } from '../view.ts'

type Erasure = {
  erasure_id: string
  requested_at: string
  requested_by: string
  kind: string
  state: 'waiting' | 'erasing' | 'delivering' | 'finished'
  events: number
  parts_waiting: number
  finished_at: string | null
}
type Audit = { at: string; actor: string; action: string; subject: string | null }
type Consent = { site: string; day: string; share: number | null; visitors: number }

const steps: Record<Erasure['state'], string> = {
  waiting: 'what is still in the spool comes first',
  erasing: 'rows are taken out of the buffer',
  delivering: 'delivered files are written again',
  finished: 'done everywhere',
}
const refreshMs = 4_000

/** Requests of people: what is held of them, and that it is forgotten. */
export const view: View = {
  title: 'Privacy',
  async show(place) {
    const { root } = place
    const erasures = el('div', {})
    const audit = el('div', {})
    const consent = el('div', {})
    const refresh = async (): Promise<void> => {
      const found = await get<{ erasures: Erasure[] }>('/privacy/erasures')
      erasures.replaceChildren(
        found.erasures.length === 0
          ? empty('Nobody has asked to be forgotten.', may(place, 'client') ? 'A request is filed above.' : '')
          : table('Erasures', erasureColumns, found.erasures),
      )
      if (!may(place, 'client')) return
      const { rows } = await get<{ rows: Audit[] }>('/api/audit', { action: 'privacy.', limit: 50 })
      audit.replaceChildren(
        rows.length === 0 ? empty('No request was made yet.') : table('Audit trail', auditColumns, rows),
      )
    }
    root.append(
      ...(may(place, 'client') ? [section('A request', requestForm(refresh))] : []),
      section('Erasures', erasures),
      ...(may(place, 'client') ? [section('Audit trail', audit)] : []),
      section('Consent', consent),
    )
    const [{ rows }] = await Promise.all([get<{ rows: Consent[] }>('/api/consent'), refresh()])
    consent.append(
      rows.length === 0
        ? empty(
            'No consent was measured yet.',
            'It is, where a banner sends consent events, once the agents have read a day.',
          )
        : table('Consent', consentColumns, rows.slice(0, 60)),
    )
    every(place, refreshMs, refresh)
  },
}

const requestForm = (refresh: () => Promise<void>): HTMLElement => {
  let kind = 'visitor'
  const id = el('input', { required: true, autocomplete: 'off', maxlength: 512 })
  const said = el('p', { role: 'status', class: 'note' })
  const person = (): Record<string, string> => ({ [kind]: id.value.trim() })
  const run = async (work: () => Promise<string>): Promise<void> => {
    if (id.value.trim() === '') {
      id.focus()
      return
    }
    try {
      said.textContent = 'Working …'
      said.textContent = await work()
      await refresh()
    } catch (error) {
      said.textContent = ''
      toast(error instanceof CallError ? error.message : String(error), true)
    }
  }
  const access = button('Gather what is held', () =>
    run(async () => {
      const found = await change<{ events: unknown[] }>('POST', '/privacy/export', person())
      save('person.json', new Blob([JSON.stringify(found, null, 2)], { type: 'application/json' }))
      return `${count(found.events.length)} events are in the file.`
    }),
  )
  const confirm = el('dialog', { 'aria-label': 'Erase' })
  const ask = button(
    'Erase …',
    () => {
      if (id.value.trim() === '') return id.focus()
      confirm.replaceChildren(
        el(
          'p',
          {},
          `Everything of this ${kind} is erased: from the buffer, from profiles and notes, and from every delivered file. It cannot be undone.`,
        ),
        el(
          'div',
          { class: 'bar' },
          button(
            'Erase',
            () => {
              confirm.close()
              void run(async () => {
                await change('POST', '/privacy/forget', person())
                return 'The erasure is filed; how far it is stands below.'
              })
            },
            { class: 'danger' },
          ),
          button('Cancel', () => confirm.close()),
        ),
      )
      confirm.showModal()
    },
    { class: 'danger' },
  )
  return el(
    'div',
    {},
    el(
      'div',
      { class: 'bar' },
      field(
        'Person',
        select(
          [
            ['visitor', 'visitor id'],
            ['user', 'user id'],
          ],
          kind,
          (value) => {
            kind = value
          },
        ),
      ),
      field('Id', id),
      access,
      ask,
    ),
    el('p', { class: 'hint' }, 'A user is also all their visitors. E-mail addresses may be typed as they are.'),
    said,
    confirm,
  )
}

const erasureColumns = [
  { head: 'Asked for', cell: (one: Erasure) => timeText(one.requested_at) },
  { head: 'By', cell: (one: Erasure) => one.requested_by },
  { head: 'Who', cell: (one: Erasure) => `a ${one.kind}` },
  {
    head: 'State',
    cell: (one: Erasure) =>
      el('span', {}, state(one.state, one.state === 'finished' ? 'good' : 'wait'), ` ${steps[one.state]}`),
  },
  { head: 'Events in files', isNumber: true, cell: (one: Erasure) => count(one.events) },
  { head: 'Parts on their way', isNumber: true, cell: (one: Erasure) => count(one.parts_waiting) },
  { head: 'Finished', cell: (one: Erasure) => timeText(one.finished_at) },
]
const auditColumns = [
  { head: 'When', cell: (one: Audit) => timeText(one.at) },
  { head: 'Who', cell: (one: Audit) => one.actor },
  { head: 'What', cell: (one: Audit) => one.action },
  { head: 'Request', cell: (one: Audit) => el('code', {}, one.subject ?? '') },
]
const consentColumns = [
  { head: 'Day', cell: (one: Consent) => one.day },
  { head: 'Site', cell: (one: Consent) => one.site },
  { head: 'Consented', isNumber: true, cell: (one: Consent) => share(one.share) },
  { head: 'Of', isNumber: true, cell: (one: Consent) => count(one.visitors) },
]
