import { pageviewEventTypes } from '../types.ts'

type Page = { url: string | null; path: string | null }

export type LastPages = {
  /** Where an event happened: its own page, else, for the child of an envelope, that of its session's last pageview. */
  pageOf(
    fields: Page & { sessionId: string | null; visitorId: string | null },
    eventType: string,
    isChild: boolean,
  ): Page
}

/** Sessions that are remembered; the one that was longest without a pageview goes first. */
const sessionsMax = 20_000
/** Longer addresses are not remembered: 20,000 of them would be too much. */
const urlCharsMax = 1_000

/**
 * The first pixel sends clicks and scrolls in batches that name no page. This process remembers where each session was
 * last; a session it does not know has none.
 */
export const createLastPages = (): LastPages => {
  const pages = new Map<string, Page>()
  return {
    pageOf({ url, path, sessionId, visitorId }, eventType, isChild) {
      if (sessionId === null) return { url, path }
      const session = `${visitorId}\0${sessionId}`
      if (url === null) return (isChild && path === null && pages.get(session)) || { url, path }
      if (pageviewEventTypes.includes(eventType) && url.length <= urlCharsMax) {
        pages.delete(session)
        pages.set(session, { url, path })
        if (pages.size > sessionsMax) pages.delete(pages.keys().next().value ?? '')
      }
      return { url, path }
    },
  }
}
