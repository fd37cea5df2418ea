import type { FastifyRequest } from 'fastify'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { readBody } from './body.ts'
import type { Bot } from './bots.ts'
import type { Committer } from './committer.ts'
import type { Arrival } from './event.ts'
import { userAgentCharsMax } from './limits.ts'
import type { Privacy } from './privacy.ts'
import type { SitesAllowed } from './sites-allowed.ts'

export type Received = { arrival: Arrival; body: string; hold(bytes: number): void }

export type Intake = {
  /**
   * Reads a request and hands it to `work`; its bytes count against the queue from the first one until `work` is done.
   * Undefined, without any work: the sender asked not to be tracked, or is a bot that is dropped.
   * Errors: origin_forbidden, buffer_full, and those of `readBody` and of `work`.
   */
  receive<T>(request: FastifyRequest, work: (received: Received) => Promise<T>): Promise<T | undefined>
}

export const createIntake = (deps: {
  clock: Clock
  committer: Committer
  privacy: Privacy
  sitesAllowed: SitesAllowed
  judgeBot: (userAgent: string | undefined, origin: string | undefined) => Bot
}): Intake => {
  const { clock, committer, privacy } = deps

  const arrivalOf = (request: FastifyRequest): Arrival => {
    const { origin, 'user-agent': userAgent } = request.headers
    return {
      ...{ createdMs: clock.now(), origin, bot: deps.judgeBot(userAgent, origin) },
      userAgent: privacy.userAgent(userAgent?.slice(0, userAgentCharsMax) ?? '') || null,
      address: privacy.address(request.ip),
    }
  }

  return {
    async receive(request, work) {
      if (!deps.sitesAllowed.origin(request.headers.origin))
        throw new AppError('origin_forbidden', 'Pages of this origin may not send events here.')
      let heldBytes = 0
      const hold = (bytes: number): void => {
        committer.hold(bytes)
        heldBytes += bytes
      }
      try {
        const body = await readBody(request.raw, request.headers['content-encoding'], hold)
        // Now, not when its first byte came: an erasure counts on nothing being under way for long after its arrival.
        const arrival = arrivalOf(request)
        const declined = privacy.declines({ dnt: headerOf(request, 'dnt'), gpc: headerOf(request, 'sec-gpc') })
        if (declined || arrival.bot === 'drop') return undefined
        return await work({ arrival, body, hold })
      } finally {
        committer.letGo(heldBytes)
      }
    },
  }
}

export const headerOf = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}
