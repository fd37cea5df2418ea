import { CallError } from './call.ts'
import { el } from './dom.ts'
import { timeText } from './format.ts'

export type Role = 'viewer' | 'client' | 'operator'
export type Session = {
  holder: { name: string; role: Role }
  expires_at: string
  has_code: boolean
  can_have_code: boolean
  client_id: string
  node_id: string
}

/** What a view is given: who looks, and a signal that ends with the view. */
export type Place = { session: Session; signal: AbortSignal; root: HTMLElement }
export type View = { title: string; show(place: Place): Promise<void> }

const rank: Record<Role, number> = { viewer: 0, client: 1, operator: 2 }
export const may = ({ session }: Place, role: Role): boolean => rank[session.holder.role] >= rank[role]

/** Calls again and again while the view is shown and the page is seen. What fails is told, for what is shown is old then. */
export const every = (place: Place, ms: number, act: () => Promise<void>): void => {
  const notice = el('p', { class: 'stale problem', role: 'status' })
  let sinceMs = Date.now()
  let isLooking = false
  const look = async (): Promise<void> => {
    isLooking = true
    try {
      await act()
      sinceMs = Date.now()
      notice.remove()
    } catch (error) {
      if (place.signal.aborted || (error instanceof CallError && error.status === 401)) return
      notice.textContent = `${error instanceof Error ? error.message : error} What you see is of ${timeText(new Date(sinceMs).toISOString())}.`
      if (!place.root.querySelector('.stale')) place.root.prepend(notice)
    } finally {
      isLooking = false
    }
  }
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible' && !isLooking) void look()
  }, ms)
  place.signal.addEventListener('abort', () => clearInterval(timer))
}
