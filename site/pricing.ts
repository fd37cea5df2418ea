import { costs, dollars, readCount, type SitePlan } from './cost.ts'

/** The calculator of the pricing page. */
const form = document.querySelector<HTMLFormElement>('#calculator')
const outcome = document.querySelector('#outcome')

const show = (): void => {
  if (!form || !outcome) return
  const plans = JSON.parse(form.dataset.plans ?? '[]') as SitePlan[]
  const field = (name: string): number | undefined => {
    const input = form.elements.namedItem(name) as HTMLInputElement
    const count = readCount(input.value)
    input.setAttribute('aria-invalid', String(count === undefined))
    return count
  }
  const [pageviews, events] = [field('pageviews'), field('events')]
  if (pageviews === undefined || events === undefined) {
    outcome.textContent = 'Numbers such as 2,000,000 or 2 million, please.'
    return
  }
  if (events < pageviews) {
    outcome.textContent = 'Pageviews are events, too: there are at least as many events.'
    return
  }
  const [best, ...others] = costs(plans, { pageviews, events })
  const rest = others.map(({ name, micros }) => `${name} ${dollars(micros)}`).join(', ')
  outcome.textContent = best ? `${best.name}: ${dollars(best.micros)} a month. Others: ${rest}.` : ''
}
form?.addEventListener('submit', (event) => event.preventDefault())
form?.addEventListener('input', show)
show()
