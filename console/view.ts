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

/** Calls again and again while the view is shown and the page is seen. */
export const every = (place: Place, ms: number, act: () => Promise<void>): void => {
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') act().catch(() => undefined)
  }, ms)
  place.signal.addEventListener('abort', () => clearInterval(timer))
}
