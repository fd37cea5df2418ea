import path from 'node:path'
import { parseArgs } from 'node:util'
import { bucketPrefix, type Config } from '../config.ts'
import { AppError, messageOf } from '../errors.ts'
import { type WarehouseEngine, type WarehousePlace, warehouseEngines, warehouseSql } from '../storage/warehouse.ts'
import { type ExportFormat, exportFormats } from '../types.ts'

const help = `Usage: evothesis warehouse <${warehouseEngines.join('|')}> [--format parquet|json|csv]

  Prints the SQL that makes the client's files a table, and first queries. Parquet by default, where it is exported;
  json and csv for duckdb.
`

/** Where the client's files are, as the settings say. */
export const clientPlace = (config: Config): WarehousePlace => {
  const bucket = config.CLIENT_S3_BUCKET
  const prefix = bucketPrefix(config, 'CLIENT')
  return {
    url:
      bucket === undefined
        ? path.join(path.resolve(config.DATA_DIR), 'exports', 'client')
        : `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`,
    bucket,
    prefix: bucket === undefined ? '' : prefix,
    region: config.CLIENT_S3_REGION,
    endpoint: config.CLIENT_S3_ENDPOINT,
  }
}

/** The statements for each engine that reads a format which is exported; null for the others. */
export const warehouseStatements = (config: Config): Record<string, string | null> =>
  Object.fromEntries(
    warehouseEngines.map((engine) => {
      const format = formatFor(engine, config)
      return [engine, config.EXPORT_FORMAT.includes(format) ? warehouseSql(engine, clientPlace(config), format) : null]
    }),
  )

/** Only DuckDB's statements are for any format. */
const formatFor = (engine: WarehouseEngine, config: Config): ExportFormat =>
  engine === 'duckdb' ? (config.EXPORT_FORMAT.at(-1) ?? 'parquet') : 'parquet'

/** `evothesis warehouse <engine>`. Resolves to the exit code. */
export const warehouseCommand = (
  args: string[],
  io: { config: () => Config; stdout: NodeJS.WritableStream },
): number => {
  const { engine, format, help: asked } = readArgs(args)
  if (asked) {
    io.stdout.write(help)
    return 0
  }
  const config = io.config()
  const chosen = format ?? formatFor(engine, config)
  if (engine !== 'duckdb' && chosen !== 'parquet')
    throw new AppError('usage_invalid', `The statements for ${engine} are for parquet; set EXPORT_FORMAT to hold it.`)
  io.stdout.write(warehouseSql(engine, clientPlace(config), chosen))
  return 0
}

const readArgs = (args: string[]) => {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { format: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } },
    })
    if (values.help) return { engine: 'duckdb' as const, format: undefined, help: true }
    const engine = warehouseEngines.find((one) => one === positionals[0])
    const format = exportFormats.find((one) => one === values.format)
    if (!engine || positionals.length > 1) throw new Error('Name one engine.')
    if (values.format !== undefined && !format) throw new Error(`--format is ${exportFormats.join(', ')}.`)
    return { engine, format, help: false }
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}
