import path from 'node:path'
import type { Config } from '../config.ts'
import type { ServerRole } from '../server-file.ts'

/** What a person reads after the start: where things are, and what to do next. */
export const banner = (shown: {
  config: Config
  dataDir: string
  address: string
  database: string
  roles: readonly ServerRole[]
}): string => {
  const { config, dataDir, address, database, roles } = shown
  const [collects, works] = [roles.includes('collect'), roles.includes('worker')]
  const demo = collects && (config.DEMO ?? config.DATABASE_URL === undefined)
  const target = (whose: 'CLIENT' | 'BACKUP', name: string) =>
    config[`${whose}_S3_BUCKET`] === undefined
      ? path.join(dataDir, 'exports', name)
      : `s3://${config[`${whose}_S3_BUCKET`]}`
  const lines: [string, string][] = [
    ...(demo ? ([['Demo shop', `${address}/`]] as [string, string][]) : []),
    ...(collects ? ([['Collect', `${address}/collect`]] as [string, string][]) : []),
    ...(works
      ? ([
          ['Console', `${address}/console/`],
          ['Admin API', address],
          ['Client files', target('CLIENT', 'client')],
          ['Backup files', target('BACKUP', 'backup')],
        ] as [string, string][])
      : []),
    ['Admin token', config.ADMIN_TOKEN ? 'as set by ADMIN_TOKEN' : path.join(dataDir, 'admin-token')],
    ['Database', database],
  ]
  return [
    '',
    works
      ? `Evothesis is running. Files are made ${config.EXPORT_SCHEDULE === 'off' ? 'on request only' : config.EXPORT_SCHEDULE}.`
      : 'Evothesis is collecting. A worker makes the files.',
    '',
    ...lines.map(([name, value]) => `  ${name.padEnd(14)}${value}`),
    '',
    'Next: send visits   npx evothesis demo traffic --events 1000',
    '      make files    npx evothesis export run',
    '      stop          Ctrl-C',
    '',
    '',
  ].join('\n')
}
