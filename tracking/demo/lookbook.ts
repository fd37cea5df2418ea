import { picture, products } from './catalogue.ts'

const looks = [
  {
    id: 'coast',
    name: 'On the coast',
    text: 'Salt, wind from three sides, and a thermos.',
    wears: ['storm-shell', 'dry-bag'],
  },
  {
    id: 'forest',
    name: 'In the forest',
    text: 'Two days between birches, and no signal.',
    wears: ['ridge-two', 'kettle'],
  },
  {
    id: 'summit',
    name: 'Above the trees',
    text: 'Up before the sun, back before the rain.',
    wears: ['down-sweater', 'day-pack'],
  },
]

/** A single-page site within the shop: looks change by the History API, without a load. */
export const showLookbook = (place: HTMLElement | null, links: HTMLElement | null): void => {
  if (!place || !links) return
  const show = (): void => {
    const id = new URL(location.href).searchParams.get('look')
    const look = looks.find((one) => one.id === id) ?? looks[0]
    if (!look) return
    document.title = `${look.name} · Fjell & Fjord`
    const worn = products.filter((product) => look.wears.includes(product.id))
    place.innerHTML = `<h2>${look.name}</h2><p>${look.text}</p><div class="grid">${worn
      .map(
        (product) =>
          `<a class="tile" href="/product?id=${product.id}">${picture(product)}<span>${product.name}</span></a>`,
      )
      .join('')}</div>`
    for (const link of links.querySelectorAll('a')) link.toggleAttribute('aria-current', link.dataset.look === look.id)
  }
  links.innerHTML = looks.map(({ id, name }) => `<a href="/lookbook?look=${id}" data-look="${id}">${name}</a>`).join('')
  links.addEventListener('click', (event) => {
    const link = (event.target as Element).closest('a')
    if (!link || event.metaKey || event.ctrlKey) return
    event.preventDefault()
    history.pushState({}, '', link.href)
    show()
    place.focus()
  })
  addEventListener('popstate', show)
  show()
}
