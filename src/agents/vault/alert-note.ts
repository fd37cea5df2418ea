import { factsIn } from '../make-fact.ts'
import type { Narrative } from '../narrative.ts'
import type { DropoffAlert, RecommendedAction } from '../report.ts'
import { type NoteContext, tellable } from './context.ts'
import { siteName } from './escape.ts'
import { fact } from './fact-tables.ts'
import { blocks, bullets, callout, heading, md, printed, raw, table } from './markdown.ts'
import { metricTitle, words } from './metric-titles.ts'
import type { Note, NoteDraft } from './note.ts'
import { alertPlace, dayPlace, funnelPlace } from './note-paths.ts'
import { plainNarrative, says, value, within } from './plain-text.ts'
import { printFact } from './print-fact.ts'
import { printDay, printLastDay, printTime } from './print-time.ts'
import { commonProperties, propertiesOf } from './properties.ts'
import { factBook, summary } from './render-narrative.ts'

const actionTexts: Record<RecommendedAction, string> = {
  check_recent_release: 'Look at what was released just before it began.',
  test_the_step_on_device: 'Go through the step by hand on the device that is affected.',
  look_at_script_errors: 'Look at the script errors of these pages.',
  look_at_form_errors: 'Look at which form fields are refused.',
  look_at_page_speed: 'Look at how long these pages take to load.',
  check_campaign_targeting: 'Look at whom the campaigns of this time were shown to.',
  check_tracking_of_step: 'Make sure that the step is still tracked.',
  compare_new_and_returning: 'Compare new and returning visitors.',
}

const calloutOf = { critical: 'danger', warning: 'warning', info: 'info' } as const

/** An alert: what is lost against what was expected, where, and what to look at. Its status is a person's to change. */
export const alertNote = (alert: DropoffAlert, context: NoteContext): NoteDraft => ({
  id: alert.id,
  request: { noteId: alert.id, subject: 'alert', facts: tellable(factsIn(alert)), plain: plainAlert(alert) },
  finish: (narrative) => finish(alert, context, narrative),
})

const plainAlert = ({
  current,
  baseline,
  difference,
  lostSessions,
  lostRevenue,
  fromStep,
  toStep,
  state,
}: DropoffAlert): Narrative =>
  plainNarrative([
    says(
      `Between ${fromStep} and ${toStep} `,
      value(current),
      ' were lost',
      ...within(current),
      ', where ',
      value(baseline),
      ' were to be expected: ',
      value(difference),
      ' more.',
    ),
    says(
      'That is about ',
      value(lostSessions),
      ' lost beyond what was expected',
      ...(lostRevenue.value === null ? [] : [', and an estimated ', value(lostRevenue), ' of revenue']),
      '.',
    ),
    state === 'closed' ? says('It is over.') : null,
  ])

const finish = (alert: DropoffAlert, context: NoteContext, narrative: Narrative | null): Note => {
  const place = alertPlace(alert)
  const { rawSite, severity, window, funnelId, timeZone } = { ...alert, timeZone: context.timeZone }
  const title = `${alert.funnelName}: ${alert.fromStep} to ${alert.toStep}, ${siteName(rawSite)}`
  const days = [printDay(window.from, timeZone), printLastDay(window.to, timeZone)]
  const [first, last] = [printDay(alert.pValue.window.from, timeZone), printLastDay(alert.pValue.window.to, timeZone)]
  // Alerts of earlier versions do not say on which days they were tested.
  const tested =
    alert.pValue.people === undefined
      ? 'on the days that were tested,'
      : first === last
        ? `on ${first}, the day that was tested,`
        : `from ${first} to ${last}, the days that were tested,`
  return {
    ...{ ...place, kind: 'dropoff_alert', rawSite, day: days[1] ?? null, customer: null, files: [] },
    properties: {
      ...commonProperties('dropoff_alert', place.id, { rawSite, window, timeZone }),
      evo_funnel: funnelId,
      evo_step: `${alert.fromStep} to ${alert.toStep}`,
      evo_severity: severity,
      evo_state: alert.state,
      ...propertiesOf({
        evo_rate: alert.current,
        evo_expected_rate: alert.baseline,
        evo_q: alert.qValue,
        evo_lost: alert.lostSessions,
        evo_lost_revenue: alert.lostRevenue,
      }),
      evo_n: alert.current.n,
      evo_text: narrative?.source ?? 'plain',
    },
    firstProperties: { status: 'open', tags: ['evothesis/alert'] },
    regions: [
      {
        name: 'summary',
        body: blocks(
          summary(raw(title), narrative, factBook(factsIn(alert)), timeZone),
          md(days[0] === days[1] ? `Lost on ${days[0]}.` : `Lost from ${days[0]} to ${days[1]}.`),
          callout(
            alert.state === 'closed' ? 'success' : calloutOf[severity],
            md(
              `${severity}, ${alert.state} since ${printTime(alert.state === 'closed' ? (alert.closedAt ?? alert.changedAt) : alert.openedAt, timeZone)} (${raw(timeZone)})`,
            ),
            table(
              [
                { title: 'Drop-off' },
                { title: 'Rate', isNumber: true },
                { title: '95 % interval' },
                { title: 'n', isNumber: true },
              ],
              [
                [
                  md('Now'),
                  fact(alert.current),
                  printed(printFact(alert.current, 'interval')),
                  printed(printFact(alert.current, 'sample')),
                ],
                [
                  md('Expected'),
                  fact(alert.baseline),
                  alert.baseline.interval ? printed(printFact(alert.baseline, 'interval')) : md(''),
                  printed(printFact(alert.baseline, 'sample')),
                ],
                [
                  md('Difference'),
                  fact(alert.difference),
                  alert.difference.interval ? printed(printFact(alert.difference, 'interval')) : md(''),
                  md(''),
                ],
              ],
            ),
          ),
          md(
            'Change `status` in the properties of this note to acknowledged, resolved or ignored: it stays as you set it.',
          ),
        ),
      },
      {
        name: 'loss',
        body: blocks(
          heading(2, md('What it costs')),
          bullets([
            md(
              `Lost beyond what was expected: ${fact(alert.lostSessions)}${alert.lostSessions.interval ? ` (${printed(printFact(alert.lostSessions, 'interval'))})` : ''}`,
            ),
            md(`Estimated loss of revenue: ${fact(alert.lostRevenue)}`),
            md(`p ${fact(alert.pValue)}: how often so many or more would be lost ${tested} if the rate were as before`),
            md(
              `q ${fact(alert.qValue)}, of the same test: it bounds the share of false alerts among all that are raised`,
            ),
          ]),
        ),
      },
      {
        name: 'affected',
        body: blocks(
          heading(2, md('Who is affected')),
          alert.affected.length === 0
            ? md('No segment stands out.')
            : table(
                [
                  { title: 'Kind' },
                  { title: 'Segment' },
                  { title: 'Now', isNumber: true },
                  { title: '95 % interval' },
                  { title: 'Expected', isNumber: true },
                  { title: 'n', isNumber: true },
                ],
                alert.affected.map(({ dimension, value: of, current, baseline }) => [
                  raw(words(dimension)),
                  raw(words(of)),
                  fact(current),
                  printed(printFact(current, 'interval')),
                  fact(baseline),
                  printed(printFact(current, 'sample')),
                ]),
              ),
        ),
      },
      {
        name: 'coincidence',
        body: blocks(
          heading(2, md('What else was unusual')),
          alert.coincidences.length === 0
            ? md('Nothing else that was measured.')
            : bullets(
                alert.coincidences.map((one) =>
                  md(
                    `${metricTitle(one.metric)}: ${fact(one)}${one.compare ? ` (${printed(printFact(one, 'comparison'))} before)` : ''}`,
                  ),
                ),
              ),
        ),
      },
      {
        name: 'actions',
        body: blocks(
          heading(2, md('What to do')),
          alert.actions.length === 0
            ? md('Look at the step by hand.')
            : bullets(alert.actions.map((action) => md(actionTexts[action]))),
        ),
      },
      {
        name: 'related',
        body: blocks(
          heading(2, md('Related')),
          bullets([
            context.link('index', 'Index'),
            context.link(funnelPlace(alert).id, `Funnel ${alert.funnelName}`),
            ...[...new Set(days)].map((day) => context.link(dayPlace({ rawSite, day }).id, `Report of ${day}`)),
          ]),
        ),
      },
    ],
  }
}
