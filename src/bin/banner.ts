import path from 'node:path'
import type { Config } from '../config.ts'

/** What a person reads after the start: where things are, and what to do next. */
export const banner = (shown: { config: Config; dataDir: string; address: string; database: string }): string => {
  const { config, dataDir, address, database } = shown
  const demo = config.DEMO ?? config.DATABASE_URL === undefined
  const target = (whose: 'CLIENT' | 'BACKUP', name: string) =>
    config[`${whose}_S3_BUCKET`] === undefined
      ? path.join(dataDir, 'exports', name)
      : `s3://${config[`${whose}_S3_BUCKET`]}`
  const lines: [string, string][] = [
    ...(demo ? ([['Demo shop', `${address}/`]] as [string, string][]) : []),
    ['Collect', `${address}/collect`],
    ['Client files', target('CLIENT', 'client')],
    ['Backup files', target('BACKUP', 'backup')],
    ['Admin token', config.ADMIN_TOKEN ? 'as set by ADMIN_TOKEN' : path.join(dataDir, 'admin-token')],
    ['Database', database],
  ]
  return [
    '',
    `Evothesis is running. Files are made ${config.EXPORT_SCHEDULE === 'off' ? 'on request only' : config.EXPORT_SCHEDULE}.`,
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
