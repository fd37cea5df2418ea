import { decide, maySend, setOptOut } from './consent.ts'
import { recover, whenDelivered } from './delivery.ts'
import { forgetIdentity, readIdentity, setUser, startSession, writeIdentity } from './identity.ts'
import { viewPage } from './pageview.ts'
import { dropQueue, emit, flush } from './queue.ts'
import type { Evothesis } from './types.ts'

const forget = (): void => {
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
    const record = () => {
      emit('consent', { ...details, state })
      flush()
    }
    if (state === 'granted') {
      decide(state)
      readIdentity()
      writeIdentity()
      recover()
      return record()
    }
    dropQueue()
    if (maySend()) record()
    decide(state)
    forget()
  },
  optOut() {
    setOptOut(true)
    forget()
  },
  optIn: () => setOptOut(false),
  flush() {
    flush()
    return whenDelivered()
  },
}
