import type { Config } from '../config.ts'
import { isSite } from './apply-rules.ts'
import { loadRules } from './rules.ts'

/**
 * Whether EXPORT_RULES let the client have anything of a site. For whatever else is handed to the client beside the files:
 * a site that is left out of them must not come in by another door. Undefined without rules. Throws `setting_invalid` for
 * rules that cannot be read.
 */
export const clientSites = (config: Config): ((siteId: string) => boolean) | undefined => {
  if (config.EXPORT_RULES === undefined) return undefined
  const { include, exclude } = loadRules(config.EXPORT_RULES).client ?? {}
  const isIn = (patterns: readonly string[], siteId: string): boolean =>
    patterns.some((pattern) => isSite(pattern, siteId))
  return (siteId) =>
    (include?.sites === undefined || isIn(include.sites, siteId)) && !isIn(exclude?.sites ?? [], siteId)
}
