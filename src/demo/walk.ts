import { drawArrival } from './audience.ts'
import { plantedRate } from './funnel.ts'
import type { Person, Visit } from './people.ts'
import type { Random } from './random.ts'
import {
  accountPage,
  articlePages,
  cartPage,
  checkoutPage,
  confirmedPage,
  contactPage,
  homePage,
  listingPages,
  type Page,
  type Product,
  productPage,
  products,
} from './shop.ts'
import { createVisitActs, type Step, type VisitActs } from './visit-acts.ts'

/** Makes one transition of the funnel less likely: 0 is from the visit to a product, 3 from the checkout to the order. */
export type Disturbance = { transition: number; points: number }

const currency = 'USD'

/**
 * Walks through a shop as a person would: how far the session gets in the funnel is drawn first, by the planted rates,
 * and the way there is then made up. A session that reaches a step has every step before it, in order; one that does
 * not reach it has no event of that step's type.
 */
export const walk = (person: Person, visit: Visit, random: Random, disturbance?: Disturbance): Step[] => {
  const acts = createVisitActs(random, visit.startMs, visit.isKnown)
  if (visit.declines) {
    acts.push('consent', { state: 'denied', categories: { analytics: false, marketing: false }, version: 1 })
    return acts.steps
  }
  const depth = drawDepth(visit, random, disturbance)
  const wanted = random.pick(products)
  arrive(acts, visit, random, landingPage(random, visit, depth, wanted), wanted)
  if (depth === 0) {
    if (random.chance(0.35)) browse(acts, random)
  } else {
    lookAround(acts, random, wanted)
    if (depth > 1) buy(acts, person, visit, random, depth, basketOf(random, wanted))
  }
  if (visit.logsIn && !acts.isKnown()) {
    acts.follow(accountPage)
    acts.pass(4_000)
    acts.logIn(person.traits)
  } else if (random.chance(0.03)) {
    acts.follow(contactPage)
    acts.fillForm('contact', ['email', 'message'], random.chance(0.5))
  }
  acts.leave()
  return acts.steps
}

/** The number of transitions this session makes, 0 to 4. */
const drawDepth = (visit: Visit, random: Random, disturbance: Disturbance | undefined): number => {
  for (let depth = 0; depth < 4; depth++) {
    const points = disturbance?.transition === depth ? disturbance.points / 100 : 0
    if (!random.chance(plantedRate(depth, visit.browser.device.kind, visit.channel) - points)) return depth
  }
  return 4
}

/** Those who look at a product often land on it, as far as their channel leads there. */
const landingPage = (random: Random, visit: Visit, depth: number, wanted: Product): Page => {
  const landsOnProduct = { direct: 0.1, search: 0.5, social: 0.6, paid: 0.7, email: 0.5, referral: 0.2 }[visit.channel]
  if (depth > 0 && random.chance(landsOnProduct)) return productPage(wanted)
  if (visit.channel === 'direct' || random.chance(0.3)) return homePage
  return random.chance(0.7) ? random.pick(listingPages) : random.pick(articlePages)
}

const arrive = (acts: VisitActs, visit: Visit, random: Random, page: Page, wanted: Product): void => {
  acts.land(page, drawArrival(random, visit.channel))
  if (visit.isFirst) {
    acts.pass(2_500)
    const marketing = random.chance(0.6)
    const state = marketing ? 'granted' : 'partial'
    acts.push('consent', { state, categories: { analytics: true, marketing }, version: 1 })
  }
  if (page.path === wanted.path) viewProduct(acts, wanted)
  else acts.read(14_000)
  if (page.path.startsWith('/journal/') && random.chance(0.3)) acts.watchVideo()
}

const browse = (acts: VisitActs, random: Random): void => {
  const draw = random.next()
  if (draw < 0.6) acts.follow(random.pick(listingPages))
  else if (draw < 0.8) acts.search()
  else acts.follow(random.pick(articlePages))
  acts.read(15_000)
}

const lookAround = (acts: VisitActs, random: Random, wanted: Product): void => {
  if (acts.path() !== wanted.path) {
    if (random.chance(0.4)) browse(acts, random)
    acts.follow(productPage(wanted))
    viewProduct(acts, wanted)
  }
  while (random.chance(0.25)) {
    const other = random.pick(products)
    if (acts.path() === other.path) continue
    acts.follow(productPage(other))
    viewProduct(acts, other)
  }
}

const viewProduct = (acts: VisitActs, product: Product): void => {
  acts.pass(500)
  acts.push('product_view', itemOf(product))
  acts.read(18_000)
}

/** From the first thing in the cart as far as `depth` says: 2 stays at the cart, 3 gives up in the checkout, 4 orders. */
const buy = (acts: VisitActs, person: Person, visit: Visit, random: Random, depth: number, items: Item[]): void => {
  for (const item of items) {
    acts.click('button', 'add-to-cart')
    acts.pass(300)
    acts.push('add_to_cart', { ...item, currency })
    acts.pass(4_000)
  }
  if (depth > 2 || random.chance(0.6)) {
    acts.follow(cartPage)
    acts.read(12_000)
    const removed = items.length > 1 && random.chance(0.3) ? items.pop() : undefined
    if (removed) acts.push('remove_from_cart', { ...removed, currency })
  }
  if (depth === 2) return

  acts.follow(checkoutPage)
  acts.pass(500)
  acts.push('begin_checkout', { value: revenueOf(items), currency, items })
  if (visit.logsIn) acts.logIn(person.traits)
  acts.pass(2_000)
  acts.fillForm('checkout', ['name', 'street', 'city', 'card'], depth === 4)
  if (depth === 3) return

  acts.pass(900)
  acts.follow(confirmedPage)
  acts.pass(300)
  const orderId = `ORD-${random.letters(10).toUpperCase()}`
  acts.push('purchase', { orderId, revenue: revenueOf(items), currency, items })
  acts.read(10_000)
}

type Item = Pick<Product, 'productId' | 'name' | 'category'> & { price: number; quantity: number }
const itemOf = ({ productId, name, category, priceCents }: Product): Omit<Item, 'quantity'> => ({
  ...{ productId, name, category, price: priceCents / 100 },
})
const basketOf = (random: Random, wanted: Product): Item[] => {
  const items = [{ ...itemOf(wanted), quantity: random.chance(0.85) ? 1 : 2 }]
  if (random.chance(0.3)) items.push({ ...itemOf(random.pick(products)), quantity: 1 })
  return items
}
const revenueOf = (items: Item[]): number =>
  items.reduce((cents, item) => cents + Math.round(item.price * 100) * item.quantity, 0) / 100
