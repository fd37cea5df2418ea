import type { DomainRow } from './domains.ts'
import type { DomainScan } from './scan-domains.ts'

/** Domains and the latest look at them, as the API and `--json` show them: in the spelling of all other answers. */
export const domainsView = (rows: readonly DomainRow[], scan: DomainScan | null) => ({
  domains: rows.map((one) => ({
    ...{ domain: one.domain, state: one.state, first_seen: one.firstSeen, last_seen: one.lastSeen },
    ...{ events: one.events, pageviews: one.pageviews, visitors: one.visitors, addresses: one.addresses },
    ...{ suspicions: one.suspicions, decided_at: one.decidedAt, decided_by: one.decidedBy },
  })),
  scan: scan && {
    ...{ at: scan.at, domains: scan.domains, unlisted_domains: scan.unlistedDomains },
    ...{ unlisted_events: scan.unlistedEvents, unlisted_pageviews: scan.unlistedPageviews },
    ...{ busiest_address: scan.busiestAddress, busiest_address_domains: scan.busiestDomains },
  },
})
