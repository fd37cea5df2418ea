import type { ReadRoute } from '../read-route.ts'
import { auditRoute } from './audit.ts'
import { funnelRoute } from './funnel.ts'
import { hoursRoute } from './hours.ts'
import { journeysRoute } from './journeys.ts'
import { noteRoute, notesRoute } from './notes.ts'
import { partsRoute } from './parts.ts'
import { cohortsRoute, consentRoute, customersRoute, funnelsRoute, insightsRoute } from './reports.ts'
import { sitesRoute } from './sites.ts'
import { trafficRoute } from './traffic.ts'

/** The read API. */
export const readRoutes: readonly ReadRoute[] = [
  ...[hoursRoute, partsRoute, trafficRoute, sitesRoute, journeysRoute, funnelRoute, funnelsRoute, cohortsRoute],
  ...[customersRoute, insightsRoute, notesRoute, noteRoute, consentRoute, auditRoute],
]
