import { svg } from './dom.ts'
import { compact, count, dayText, timeText } from './format.ts'

type Bucket = { at: string; events: number; pageviews: number; rejected: number }

const height = 170
/** Room that a label of the time needs. */
const labelWidth = 130
const [left, bottom] = [44, 20]

/** Events by hour or day, pageviews within them, and what was refused on top. */
export const drawBars = (
  buckets: readonly Bucket[],
  { bucket, hours, width }: { bucket: 'hour' | 'day'; hours: number; width: number },
): SVGElement => {
  const stepMs = bucket === 'hour' ? 3_600_000 : 86_400_000
  const end = Math.ceil((Date.now() + 1) / stepMs) * stepMs
  const slots = Math.ceil(hours / (stepMs / 3_600_000)) + 1
  const start = end - slots * stepMs
  const half = roundUp(Math.max(...buckets.map(({ events, rejected }) => events + rejected), 0) / 2)
  const top = half * 2
  const scale = (value: number): number => (value / top) * (height - bottom - 8)
  const slot = (width - left) / slots
  const chart = svg('svg', {
    class: 'chart',
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': `Events by ${bucket}; the table of sites below has the figures.`,
  })
  for (const { at, events, pageviews, rejected } of buckets) {
    const x = left + ((Date.parse(at) - start) / stepMs) * slot
    if (x < left - 1) continue
    const base = height - bottom
    const bar = (value: number, below: number, kind: string) =>
      svg('rect', {
        x,
        y: base - scale(below + value),
        width: Math.max(1, slot - 1.5),
        height: scale(value),
        class: kind,
      })
    chart.append(
      svg(
        'g',
        {},
        svg(
          'title',
          {},
          `${timeText(at)}: ${count(events)} events, ${count(pageviews)} pageviews, ${count(rejected)} rejected`,
        ),
        bar(events, 0, 'events'),
        bar(pageviews, 0, 'pageviews'),
        bar(rejected, events, 'rejected'),
      ),
    )
  }
  for (const value of [top, half])
    chart.append(
      svg('text', { x: left - 6, y: height - bottom - scale(value) + 8, 'text-anchor': 'end' }, compact(value)),
    )
  const every = Math.ceil(slots / Math.max(2, Math.floor((width - left) / labelWidth)))
  for (let n = 0; n < slots && left + n * slot + labelWidth * 0.6 < width; n += every) {
    const at = new Date(start + n * stepMs).toISOString()
    chart.append(
      svg(
        'text',
        { x: left + n * slot, y: height - 5 },
        bucket === 'hour' ? timeText(at).replace(' UTC', '') : dayText(at),
      ),
    )
  }
  return chart
}

/** To 1, 2 or 5 with zeros: what is easily read on an axis, and never a part of an event. */
const roundUp = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)))
  return power * ([1, 2, 5].find((one) => one * power >= value) ?? 10)
}
