/**
 * The shops that the generated people visit: which sites there are, what they sell and how their pages are named. The
 * hosts end in `.example` (RFC 2606), so that nothing here can ever point at somebody.
 */
export type Site = {
  /** The host without `www.`, as it is stored. */
  siteId: string
  origin: string
  name: string
  /** A single-page shop keeps one page open; the other kind sends its queue at every page change. */
  singlePage: boolean
}

export type Page = { path: string; title: string; query?: string }

export type Product = { productId: string; name: string; category: string; path: string; priceCents: number }

const siteNames = [
  'Harbor Tea',
  'Maple Outfitters',
  'Lumen Books',
  'Cobalt Cycles',
  'Fern Garden',
  'Orbit Audio',
  'Pebble Kids',
  'Quarry Kitchen',
  'Solstice Wool',
  'Tundra Travel',
] as const

/** The first `count` sites; beyond the named ones they are numbered. */
export const sitesOf = (count: number): Site[] =>
  Array.from({ length: count }, (_, index) => {
    const name = siteNames[index] ?? `Shop ${index + 1}`
    const siteId = `${name.toLowerCase().replaceAll(' ', '-')}.example`
    return { siteId, origin: `https://www.${siteId}`, name, singlePage: index % 2 === 0 }
  })

/** Site sizes follow Zipf's law: the second has half of the first's visitors, the third a third. */
export const siteWeights = (count: number): number[] => Array.from({ length: count }, (_, index) => 1 / (index + 1))

const categories = ['new-in', 'classics', 'gifts', 'outlet'] as const
const adjectives = ['Amber', 'Quiet', 'Northern', 'Field', 'Paper', 'Copper', 'Morning'] as const
const nouns = ['Set', 'Bundle', 'Edition', 'Companion'] as const

/** Twenty-eight products, the same in every shop: prices from 9 to 187, which no two share. */
export const products: readonly Product[] = adjectives.flatMap((adjective, row) =>
  nouns.map((noun, column) => {
    const number = row * nouns.length + column
    return {
      productId: `SKU-${1001 + number}`,
      name: `${adjective} ${noun}`,
      category: categories[number % categories.length] as string,
      path: `/p/${adjective.toLowerCase()}-${noun.toLowerCase()}`,
      priceCents: 900 + number * 659 - (number % 3),
    }
  }),
)

export const listingPages: readonly Page[] = categories.map((category) => ({
  path: `/c/${category}`,
  title: category === 'new-in' ? 'New in' : `${category.charAt(0).toUpperCase()}${category.slice(1)}`,
}))

export const articlePages: readonly Page[] = [
  { path: '/journal/how-we-choose', title: 'How we choose' },
  { path: '/journal/care-guide', title: 'Care guide' },
  { path: '/journal/a-visit-to-the-workshop', title: 'A visit to the workshop' },
]

export const homePage: Page = { path: '/', title: 'Home' }
export const cartPage: Page = { path: '/cart', title: 'Your cart' }
export const checkoutPage: Page = { path: '/checkout', title: 'Checkout' }
export const confirmedPage: Page = { path: '/order/confirmed', title: 'Thank you' }
export const contactPage: Page = { path: '/contact', title: 'Contact' }
export const accountPage: Page = { path: '/account', title: 'Your account' }

/** What people search for, most often first; the last ones find nothing. */
export const searchTerms: readonly { query: string; results: number }[] = [
  { query: 'gift', results: 14 },
  { query: 'amber set', results: 4 },
  { query: 'outlet', results: 7 },
  { query: 'northern', results: 4 },
  { query: 'paper edition', results: 1 },
  { query: 'gift card', results: 0 },
  { query: 'store near me', results: 0 },
]

export const searchPage = (query: string): Page => ({
  path: '/search',
  title: `Search: ${query}`,
  query: `?q=${encodeURIComponent(query)}`,
})

export const productPage = (product: Product): Page => ({ path: product.path, title: product.name })
