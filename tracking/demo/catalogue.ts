export type Product = {
  id: string
  name: string
  category: 'jackets' | 'tents' | 'carry' | 'kitchen'
  /** Euros. */
  price: number
  colour: string
  text: string
  featured?: boolean
}

export const products: readonly Product[] = [
  {
    id: 'storm-shell',
    name: 'Storm Shell',
    category: 'jackets',
    price: 289,
    colour: '#c2572b',
    featured: true,
    text: 'Three layers against rain from the side. Hood for a helmet, pockets above the belt.',
  },
  {
    id: 'down-sweater',
    name: 'Down Sweater',
    category: 'jackets',
    price: 199,
    colour: '#33566b',
    text: 'Warm at 300 grams, and small enough for its own pocket.',
  },
  {
    id: 'ridge-two',
    name: 'Ridge 2',
    category: 'tents',
    price: 449,
    colour: '#5d7350',
    featured: true,
    text: 'A tent for two and their wet things, up in four minutes.',
  },
  {
    id: 'tarp',
    name: 'Fly Tarp',
    category: 'tents',
    price: 129,
    colour: '#8a7a3d',
    text: 'A roof of nine square metres, and nothing else.',
  },
  {
    id: 'day-pack',
    name: 'Day Pack 24',
    category: 'carry',
    price: 119,
    colour: '#7a4a5e',
    featured: true,
    text: 'Twenty-four litres that open like a book.',
  },
  {
    id: 'dry-bag',
    name: 'Dry Bag',
    category: 'carry',
    price: 29,
    colour: '#2f7f86',
    text: 'Ten litres that stay dry under water.',
  },
  {
    id: 'kettle',
    name: 'Camp Kettle',
    category: 'kitchen',
    price: 49,
    colour: '#55585c',
    featured: true,
    text: 'Boils half a litre while you look for the cups.',
  },
  {
    id: 'cup',
    name: 'Enamel Cup',
    category: 'kitchen',
    price: 14,
    colour: '#9b3d3d',
    text: 'Does not break. Looks better with every dent.',
  },
]

export const productOf = (id: string | null | undefined): Product | undefined => products.find((one) => one.id === id)

export const money = (euros: number): string =>
  new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' }).format(euros)

const shapes: Record<Product['category'], string> = {
  jackets:
    '<path d="M70 60 100 45h40l30 15 30 70-25 12-15-35v88H80v-88l-15 35-25-12z"/><path d="M120 48v147" stroke="#fff" stroke-opacity=".5" stroke-width="4"/>',
  tents: '<path d="M120 50 215 190H25z"/><path d="M120 50 150 190H95z" fill="#fff" fill-opacity=".35"/>',
  carry:
    '<rect x="70" y="60" width="100" height="140" rx="30"/><path d="M95 60a25 25 0 0 1 50 0" fill="none" stroke="#333" stroke-width="8"/><rect x="85" y="120" width="70" height="50" rx="10" fill="#fff" fill-opacity=".35"/>',
  kitchen:
    '<path d="M60 90h110v80a25 25 0 0 1-25 25H85a25 25 0 0 1-25-25z"/><path d="M170 110h25a20 20 0 0 1 0 45h-25" fill="none" stroke="#777" stroke-width="10"/><path d="M60 90h110" stroke="#fff" stroke-opacity=".6" stroke-width="8"/>',
}

/** A picture of a product, drawn. */
export const picture = (product: Product): string =>
  `<svg viewBox="0 0 240 240" role="img" aria-label="${product.name}"><rect width="240" height="240" fill="${product.colour}" fill-opacity=".14"/><g fill="${product.colour}">${shapes[product.category]}</g></svg>`
