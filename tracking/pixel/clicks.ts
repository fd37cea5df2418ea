import { describe, fieldTags, targetOf } from './element.ts'
import { doc, listen, soon } from './host.ts'
import { capture } from './queue.ts'
import { cleanUrl, hostOf, ownHost } from './url.ts'

const clickable = 'a[href],button,summary,[role=button],[type=submit]'
const downloadable = /\.(pdf|docx?|xlsx?|pptx?|csv|txt|zip|rar|7z|t?gz|dmg|exe|msi|apk|mp[34]|wav|avi|mov)$/i
/** Three clicks, each under 30 px (to the side and down, added) and 1 s from the one before. */
const rageClicks = 3
const rageDistancePx = 30
const rageGapMs = 1000

let burst = 0
let last: MouseEvent | undefined

/** Clicks on links and buttons, also on what is inside them; links out, downloads, and clicks in anger. */
export const watchClicks = (): void =>
  listen<MouseEvent>(doc, 'click auxclick', (event) => {
    const target = targetOf(event)
    if (event.button < 2) soon(() => reportClick(target, event))
  })

const reportClick = (target: Element, event: MouseEvent): void => {
  const element = target.closest(clickable)
  if (element) capture('click', describe(element, event))
  const near =
    last &&
    Math.abs(event.clientX - last.clientX) + Math.abs(event.clientY - last.clientY) < rageDistancePx &&
    event.timeStamp - last.timeStamp < rageGapMs
  burst = near ? burst + 1 : 1
  last = event
  if (burst === rageClicks && !target.closest(fieldTags)) capture('rage_click', describe(target, event))
  const link = target.closest<HTMLAnchorElement>('a[href]')
  if (link) reportLink(link)
}

const reportLink = (link: HTMLAnchorElement): void => {
  const { host, pathname } = link
  const href = cleanUrl(link.href)
  const fileType = downloadable.exec(pathname)?.[1]
  if (fileType || link.hasAttribute('download')) capture('download', { href, fileType })
  if (host && hostOf(link) !== ownHost) capture('outbound', { href, host })
}
