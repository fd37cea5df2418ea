import type { Channel } from './audience.ts'
import { dayOf, weekOf, weekStartMs } from './calendar.ts'
import type { Cohort, PlantedTruth } from './planted.ts'
import type { Seen, SessionState, VisitorState } from './seen.ts'

export type PeopleCounter = {
  event(seen: Seen): void
  /** Called once a session, in the order of time, with the session already in the visitor's path. */
  session(visitor: VisitorState, session: SessionState): void
  result(): Pick<PlantedTruth, 'cohorts' | 'identified'>
}

/** Who came back, week by week, and who said who they are. */
export const createPeopleCounter = (): PeopleCounter => {
  const cohorts = new Map<string, Cohort>()
  const users = new Map<string, { visitors: number }>()
  let identifiedVisitors = 0

  const cohortOf = (week: number, channel: Channel): Cohort => {
    const key = `${week} ${channel}`
    const known = cohorts.get(key)
    if (known) return known
    const fresh: Cohort = { week: dayOf(weekStartMs(week)), channel, visitors: 0, returned: [] }
    cohorts.set(key, fresh)
    return fresh
  }
  return {
    event({ event, visitor }) {
      if (event.userId === undefined || visitor.isIdentified) return
      visitor.isIdentified = true
      identifiedVisitors++
      const user = users.get(event.userId)
      if (user) user.visitors++
      else users.set(event.userId, { visitors: 1 })
    },
    session(visitor, session) {
      const week = weekOf(session.startMs)
      const [firstChannel] = visitor.path
      if (visitor.path.length === 1) {
        visitor.firstWeek = week
        cohortOf(week, session.channel).visitors++
      } else if (week > visitor.lastWeek && firstChannel) {
        const { returned } = cohortOf(visitor.firstWeek, firstChannel)
        const later = week - visitor.firstWeek - 1
        while (returned.length <= later) returned.push(0)
        returned[later] = (returned[later] ?? 0) + 1
      }
      visitor.lastWeek = week
    },
    result: () => ({
      cohorts: [...cohorts.values()].sort((a, b) => compare(a.week, b.week) || compare(a.channel, b.channel)),
      identified: {
        users: users.size,
        addressLike: [...users.keys()].filter((userId) => userId.includes('@')).length,
        withTwoVisitors: [...users.values()].filter(({ visitors }) => visitors > 1).length,
        visitors: identifiedVisitors,
      },
    }),
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
