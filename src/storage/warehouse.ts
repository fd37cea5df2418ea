import type { ExportFormat } from '../types.ts'
import { exportColumns } from '../types.ts'

export const warehouseEngines = [
  'duckdb',
  'athena',
  'bigquery',
  'snowflake',
  'clickhouse',
  'redshift',
  'spark',
] as const
export type WarehouseEngine = (typeof warehouseEngines)[number]

/** Where the files are, as an engine must know it. */
export type WarehousePlace = {
  /** `s3://bucket/prefix`, or a folder's path; without a slash at its end. */
  url: string
  bucket: string | undefined
  prefix: string
  region: string
  endpoint: string | undefined
}

const times: readonly string[] = ['timestamp', 'created_at']
const quoted = (name: string): string => `"${name}"`
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`
const columns = (type: (column: string) => string, quote = quoted): string =>
  exportColumns.map((column) => `  ${quote(column)} ${type(column)}`).join(',\n')
const pattern = (format: ExportFormat): string =>
  `events/format=${format}/*/*/*.${format === 'parquet' ? 'parquet' : `${format}.gz`}`

/**
 * The SQL that makes the delivered files a table in a warehouse, with partition pruning by the UTC day and hour of arrival,
 * and first queries. Text only: nothing is run.
 */
export const warehouseSql = (engine: WarehouseEngine, place: WarehousePlace, format: ExportFormat): string =>
  `${engines[engine](place, format).trim()}\n`

const duckdb = (place: WarehousePlace, format: ExportFormat): string => {
  const files = literal(`${place.url}/${pattern(format)}`)
  const types = exportColumns.map((column) => `${literal(column)}: ${literal(duckdbType(column))}`).join(', ')
  const reader = {
    parquet: `read_parquet(${files}, hive_partitioning = true, hive_types = {'dt': date, 'hr': bigint})`,
    json: `read_json(${files}, format = 'newline_delimited', hive_partitioning = true, hive_types = {'dt': date, 'hr': bigint},
    columns = {${types}})`,
    csv: `read_csv(${files}, header = true, quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
    auto_detect = false, delim = ',', new_line = '\\n', max_line_size = 1200000, hive_partitioning = true,
    hive_types = {'dt': date, 'hr': bigint}, columns = {${types}})`,
  }[format]
  const secret = place.bucket
    ? `install httpfs; load httpfs;
create or replace secret evothesis (type s3, provider credential_chain, region ${literal(place.region)}${
        place.endpoint ? `, endpoint ${literal(new URL(place.endpoint).host)}, url_style 'path'` : ''
      });
`
    : ''
  return `${secret}create or replace view events as
select * from ${reader};

${firstQueries('events', (path) => `raw_event_data ->> ${literal(`$.${path}`)}`)}`
}
const duckdbType = (column: string): string =>
  column === 'event_id'
    ? 'UUID'
    : times.includes(column)
      ? 'TIMESTAMPTZ'
      : column === 'raw_event_data'
        ? 'JSON'
        : 'VARCHAR'

const firstQueries = (table: string, json: (path: string) => string): string => `-- events and visitors a day
select dt, count(*) as events, count(distinct visitor_id) as visitors
from ${table} where dt >= current_date - 7 group by dt order by dt;

-- one hour reads one partition
select event_type, count(*) as events from ${table} where dt = current_date and hr = 12 group by event_type order by 2 desc, 1;

-- a field of the raw event
select ${json('attribution.utmParams.utm_source')} as source, count(*) as pageviews
from ${table} where event_type = 'pageview' group by 1 order by 2 desc, 1;
`

const hive = (column: string): string =>
  column === 'event_id' ? 'binary' : times.includes(column) ? 'timestamp' : 'string'
const backticks = (name: string): string => `\`${name}\``

const athena = ({ url }: WarehousePlace): string => `create external table events (
${columns(hive, backticks)}
)
partitioned by (dt string, hr string)
stored as parquet
location ${literal(`${url}/events/format=parquet/`)}
tblproperties (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date', 'projection.dt.format' = 'yyyy-MM-dd', 'projection.dt.range' = '2026-01-01,NOW',
  'projection.hr.type' = 'integer', 'projection.hr.range' = '0,23', 'projection.hr.digits' = '2',
  'storage.location.template' = ${literal(`${url}/events/format=parquet/dt=\${dt}/hr=\${hr}/`)}
);

-- event_id is a UUID of 16 bytes: lower(to_hex(event_id)). Partitions are projected; there is nothing to repair or crawl.
select dt, count(*) as events, count(distinct visitor_id) as visitors
from events where dt >= cast(current_date - interval '7' day as varchar) group by dt order by dt;

select json_extract_scalar(raw_event_data, '$.attribution.utmParams.utm_source') as source, count(*) as pageviews
from events where event_type = 'pageview' and dt = cast(current_date as varchar) group by 1 order by 2 desc;
`

const bigquery = ({
  url,
}: WarehousePlace): string => `-- Files in Amazon S3 need a BigQuery Omni connection; files in Cloud Storage need none: leave that line out.
create external table evothesis.events
with partition columns (dt date, hr int64)
with connection \`aws-us-east-1.evothesis\`
options (
  format = 'PARQUET',
  hive_partition_uri_prefix = ${literal(`${url}/events/format=parquet`)},
  require_hive_partition_filter = false,
  uris = [${literal(`${url}/events/format=parquet/*`)}]
);

-- event_id is BYTES of 16: to_hex(event_id)
select dt, count(*) as events, count(distinct visitor_id) as visitors
from evothesis.events where dt >= date_sub(current_date(), interval 7 day) group by dt order by dt;

select json_value(raw_event_data, '$.attribution.utmParams.utm_source') as source, count(*) as pageviews
from evothesis.events where event_type = 'pageview' and dt = current_date() group by 1 order by 2 desc;
`

const snowflake = ({ url }: WarehousePlace): string => {
  const type = (column: string): string => (times.includes(column) ? 'timestamp_tz' : 'varchar')
  const fields = exportColumns
    .map((column) => `  ${quoted(column)} ${type(column)} as (value:${quoted(column)}::${type(column)})`)
    .join(',\n')
  return `create storage integration if not exists evothesis type = external_stage storage_provider = 'S3'
  enabled = true storage_aws_role_arn = '<the role that may read the bucket>' storage_allowed_locations = (${literal(`${url}/`)});
create stage if not exists evothesis url = ${literal(`${url}/events/format=parquet/`)} storage_integration = evothesis;

create or replace external table events (
  dt date as (to_date(split_part(split_part(metadata$filename, 'dt=', 2), '/', 1))),
  hr int as (to_number(split_part(split_part(metadata$filename, 'hr=', 2), '/', 1))),
${fields}
)
partition by (dt, hr) location = @evothesis auto_refresh = false file_format = (type = parquet);
alter external table events refresh;

select dt, count(*) as events, count(distinct "visitor_id") as visitors
from events where dt >= current_date - 7 group by dt order by dt;

select parse_json("raw_event_data"):attribution.utmParams.utm_source::varchar as source, count(*) as pageviews
from events where "event_type" = 'pageview' and dt = current_date group by 1 order by 2 desc;
`
}

const clickhouse = (place: WarehousePlace): string => {
  const base = place.endpoint
    ? `${place.endpoint.replace(/\/$/, '')}/${place.bucket ?? ''}`
    : `https://${place.bucket ?? '<bucket>'}.s3.${place.region}.amazonaws.com`
  const address = `${base}${place.prefix === '' ? '' : `/${place.prefix}`}/${pattern('parquet')}`
  return `-- keys: append them as second and third argument, or use a named collection
create view events as
select *, toDate(extract(_path, 'dt=([0-9-]+)')) as dt, toUInt8(extract(_path, 'hr=([0-9]+)')) as hr
from s3(${literal(address)}, 'Parquet');

select dt, count() as events, uniqExact(visitor_id) as visitors
from events where dt >= today() - 7 group by dt order by dt;

select JSONExtractString(raw_event_data, 'attribution', 'utmParams', 'utm_source') as source, count() as pageviews
from events where event_type = 'pageview' and dt = today() group by source order by pageviews desc;
`
}

const redshift = ({ url }: WarehousePlace): string => {
  const type = (column: string): string =>
    column === 'event_id'
      ? 'varbyte(16)'
      : times.includes(column)
        ? 'timestamp'
        : column === 'raw_event_data'
          ? 'super'
          : 'varchar(max)'
  return `-- Spectrum reads the table that the athena statement makes in the Glue catalog:
create external schema evothesis from data catalog database 'default' iam_role default;

-- or copy days into a table of its own:
create table events (
${columns(type)}
);
copy events from ${literal(`${url}/events/format=parquet/dt=2026-11-20/`)} iam_role default format as parquet serializetojson;

select trunc("created_at") as day, count(*) as events, count(distinct "visitor_id") as visitors
from events where "created_at" >= dateadd(day, -7, current_date) group by 1 order by 1;
`
}

const spark = ({ url }: WarehousePlace): string => `create table events using parquet
location ${literal(`${url.replace(/^s3:/, 's3a:')}/events/format=parquet`)};
msck repair table events;

select dt, count(*) as events, count(distinct visitor_id) as visitors
from events where dt >= date_sub(current_date(), 7) group by dt order by dt;

select get_json_object(raw_event_data, '$.attribution.utmParams.utm_source') as source, count(*) as pageviews
from events where event_type = 'pageview' and dt = current_date() group by 1 order by 2 desc;
`

const engines: Record<WarehouseEngine, (place: WarehousePlace, format: ExportFormat) => string> = {
  ...{ duckdb, athena, bigquery, snowflake, clickhouse, redshift, spark },
}
