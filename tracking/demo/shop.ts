import { cartCount, cartLines, cartTotal, changeCart, emptyCart, itemOf, tell } from './cart.ts'
import { money, type Product, picture, productOf, products } from './catalogue.ts'
import { showLookbook } from './lookbook.ts'
import { showPanel, watchRequests } from './panel.ts'

const all = <E extends HTMLElement>(selector: string): E[] => [...document.querySelectorAll<E>(selector)]
const one = <E extends HTMLElement>(selector: string): E | null => document.querySelector<E>(selector)
const parameter = (name: string): string => new URL(location.href).searchParams.get(name) ?? ''

const card = (product: Product): string =>
  `<a class="tile" href="/product?id=${product.id}">${picture(product)}<span>${product.name}</span><b>${money(product.price)}</b></a>`

const showGrids = (): void => {
  for (const grid of all('[data-products]')) {
    const shown = selections[grid.dataset.products ?? '']?.() ?? []
    grid.innerHTML = shown.map(card).join('')
    if (grid.dataset.products === 'search') tellSearch(grid, shown.length)
  }
}
const selections: Record<string, () => Product[]> = {
  featured: () => products.filter((product) => product.featured && product.id !== parameter('id')),
  all: () => products.filter((product) => !parameter('category') || product.category === parameter('category')),
  search: () => {
    const words = parameter('q').toLowerCase().split(/\s+/).filter(Boolean)
    return products.filter(({ name, category, text }) =>
      words.every((word) => `${name} ${category} ${text}`.toLowerCase().includes(word)),
    )
  },
}
const tellSearch = (grid: HTMLElement, results: number): void => {
  grid.dataset.searchResults = `${results}`
  const summary = one('[data-search-summary]')
  if (summary) summary.textContent = `${results} ${results === 1 ? 'result' : 'results'} for “${parameter('q')}”`
  const field = one<HTMLInputElement>('#q')
  if (field) field.value = parameter('q')
}

const showProduct = (): void => {
  const place = one('[data-product]')
  const product = productOf(parameter('id')) ?? products[0]
  if (!place || !product) return
  document.title = `${product.name} · Fjell & Fjord`
  place.innerHTML = `${picture(product)}<div><p class="eyebrow">${product.category}</p><h1>${product.name}</h1>
    <p class="price">${money(product.price)}</p><p>${product.text}</p>
    <button class="button" id="add" data-track-text>Add to cart</button><p class="note" role="status" data-added></p></div>`
  tell('view_item', { currency: 'EUR', value: product.price, items: [itemOf(product, 1)] })
  one('#add')?.addEventListener('click', () => {
    changeCart(product, 1)
    showCount()
    const status = one('[data-added]')
    if (status) status.innerHTML = `In your cart. <a href="/cart">Go to the cart</a>`
  })
}

const showCart = (): void => {
  const place = one('[data-cart]')
  if (!place) return
  const lines = cartLines()
  place.innerHTML = lines.length
    ? `<ul class="lines">${lines.map(cartLine).join('')}</ul><p class="total">Total <b>${money(cartTotal())}</b></p><p><a class="button" href="/checkout">To the checkout</a></p>`
    : '<p>Nothing in it yet.</p><p><a class="button" href="/products">See everything</a></p>'
  for (const button of all<HTMLButtonElement>('[data-change]'))
    button.addEventListener('click', () => {
      const product = productOf(button.dataset.product)
      if (product) changeCart(product, Number(button.dataset.change))
      showCart()
      showCount()
    })
}
const cartLine = ({ product, quantity }: { product: Product; quantity: number }): string =>
  `<li>${picture(product)}<a href="/product?id=${product.id}">${product.name}</a><span class="steps">
   <button data-change="-1" data-product="${product.id}" aria-label="One ${product.name} less">−</button><b>${quantity}</b>
   <button data-change="1" data-product="${product.id}" aria-label="One ${product.name} more">+</button></span>
   <b>${money(product.price * quantity)}</b></li>`

const showCount = (): void => {
  for (const place of all('[data-cart-count]')) place.textContent = `${cartCount()}`
  for (const place of all('[data-cart-total]')) place.textContent = money(cartTotal())
}

const listenToForms = (): void => {
  const checkout = one<HTMLFormElement>('[data-checkout]')
  const order = () => cartLines().map(({ product, quantity }) => itemOf(product, quantity))
  if (checkout) tell('begin_checkout', { currency: 'EUR', value: cartTotal(), items: order() })
  checkout?.addEventListener('submit', (event) => {
    event.preventDefault()
    const number = `F${Date.now().toString(36).toUpperCase()}`
    tell('purchase', { transaction_id: number, currency: 'EUR', value: cartTotal(), items: order() })
    emptyCart()
    showCount()
    checkout.hidden = true
    const thanks = one('[data-thanks]')
    const name = one('[data-order]')
    if (name) name.textContent = number
    if (thanks) thanks.hidden = false
    thanks?.querySelector('h2')?.focus()
  })
  one<HTMLFormElement>('[data-contact]')?.addEventListener('submit', (event) => {
    event.preventDefault()
    ;(event.target as HTMLFormElement).reset()
    const status = one('[data-contact-status]')
    if (status) status.textContent = 'Thank you. Nobody will read it: this is a demo.'
  })
}

watchRequests()
showGrids()
showProduct()
showCart()
showCount()
listenToForms()
showLookbook(one('[data-look]'), one('[data-looks]'))
showPanel()
one('[data-consent-open]')?.addEventListener('click', () =>
  (window as { evothesisConsent?: { open(): void } }).evothesisConsent?.open(),
)
