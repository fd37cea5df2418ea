import { type Product, productOf } from './catalogue.ts'

/** What is in the cart: how many of each product. It is the shop's own storage, not the pixel's. */
type Cart = Record<string, number>

const key = 'shop_cart'
/** Most of one product. */
const quantityMax = 99

export const readCart = (): Cart => {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '{}') as Cart
  } catch {
    return {}
  }
}
const writeCart = (cart: Cart): void => localStorage.setItem(key, JSON.stringify(cart))

export const cartLines = (): { product: Product; quantity: number }[] =>
  Object.entries(readCart()).flatMap(([id, quantity]) => {
    const product = productOf(id)
    return product ? [{ product, quantity }] : []
  })
export const cartTotal = (): number => cartLines().reduce((sum, line) => sum + line.product.price * line.quantity, 0)
export const cartCount = (): number => cartLines().reduce((sum, line) => sum + line.quantity, 0)
export const emptyCart = (): void => writeCart({})

/** Changes the quantity, and tells it to the data layer as shops do. */
export const changeCart = (product: Product, by: number): void => {
  const cart = readCart()
  const quantity = Math.min(quantityMax, Math.max(0, (cart[product.id] ?? 0) + by))
  if (quantity === 0) delete cart[product.id]
  else cart[product.id] = quantity
  writeCart(cart)
  tell(by > 0 ? 'add_to_cart' : 'remove_from_cart', {
    currency: 'EUR',
    value: product.price * Math.abs(by),
    items: [itemOf(product, Math.abs(by))],
  })
}

export const itemOf = (product: Product, quantity: number) => ({
  item_id: product.id,
  item_name: product.name,
  item_category: product.category,
  price: product.price,
  quantity,
})

/** A GA4 event on the data layer: the pixel takes it from there. */
export const tell = (event: string, ecommerce: object): void => {
  const page = window as { dataLayer?: object[] }
  page.dataLayer ??= []
  page.dataLayer.push({ event, ecommerce })
}
