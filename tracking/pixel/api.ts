import { decide, maySend, setOptOut } from './consent.ts'
import { recover, whenDelivered } from './delivery.ts'
import { forgetIdentity, readIdentity, setUser, startSession, writeIdentity } from './identity.ts'
import { viewPage } from './pageview.ts'
import { dropQueue, emit, flush } from './queue.ts'
import type { Evothesis } from './types.ts'

const forget = (decision: () => void): void => {
  decision()
  dropQueue()
  forgetIdentity()
}

export const api: Evothesis = {
  track: emit,
  page: (properties) => viewPage(properties, emit),
  identify(userId, traits) {
    setUser(`${userId}`)
    emit('identify', { traits })
  },
  reset() {
    flush()
    forgetIdentity()
    startSession()
    setUser('')
  },
  purchase: (order) => emit('purchase', order),
  addToCart: (product) => emit('add_to_cart', product),
  consent(state, details) {
    const granted = state === 'granted'
    if (granted) {
      decide(state)
      readIdentity()
      writeIdentity()
      recover()
    } else dropQueue()
    if (maySend()) {
      emit('consent', { ...details, state })
      flush()
    }
    if (!granted) forget(() => decide(state))
  },
  optOut() {
    forget(() => setOptOut(true))
  },
  optIn: () => setOptOut(false),
  flush() {
    flush()
    return whenDelivered()
  },
}
