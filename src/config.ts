import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { AppError, messageOf } from './errors.ts'
import { type Setting, type SettingName, settingNames, settings } from './settings.ts'

export type Config = { readonly [K in SettingName]: ReturnType<(typeof settings)[K]['read']> }
export type SettingProblem = { setting: string; message: string }

/**
 * Reads all settings from the environment and, below it, a `.env` file. Promises a complete, typed, frozen Config, or
 * throws one `setting_invalid` that lists every problem at once. A misspelt name close to a known one is a problem:
 * in `.env` always, in the environment only below one of our own prefixes (the environment holds strangers' names, too).
 */
export const loadConfig = (env: NodeJS.ProcessEnv = process.env, envFile = '.env'): Config => {
  const problems: SettingProblem[] = []
  const fromFile = readEnvFile(envFile, problems)
  for (const key of Object.keys(fromFile)) problems.push(...misspelt(key, true))
  for (const key of Object.keys(env)) problems.push(...misspelt(key, false))

  const sources = { ...fromFile, ...env }
  const values: Record<string, unknown> = {}
  for (const name of settingNames) {
    const setting: Setting<unknown> = settings[name]
    try {
      const text = textOf(name, setting, sources)
      values[name] = text === undefined ? undefined : setting.read(text)
    } catch (error) {
      problems.push({ setting: name, message: messageOf(error) })
    }
  }
  const config = Object.freeze(values) as Config
  const unread = new Set(problems.map((problem) => problem.setting))
  problems.push(...contradictions(config).filter((one) => !one.of.some((name) => unread.has(name))))
  if (problems.length > 0) throw settingProblems(problems)
  return config
}

/** What stands before all keys in a bucket: the prefix that is set, or the default. */
export const bucketPrefix = (config: Config, whose: 'CLIENT' | 'BACKUP'): string =>
  config[`${whose}_S3_PREFIX`] ?? (whose === 'CLIENT' ? 'analytics' : config.CLIENT_ID)

/** What a child process inherits: never a secret, never a setting. */
export const childEnvironment = (extra: Record<string, string>): NodeJS.ProcessEnv => {
  const { PATH, NODE_OPTIONS, TMPDIR } = process.env
  return {
    ...(PATH && { PATH }),
    ...(NODE_OPTIONS && { NODE_OPTIONS }),
    ...(TMPDIR && { TMPDIR }),
    TZ: 'UTC',
    ...extra,
  }
}

/** The same for ssh and rsync, which find their keys and their agent by it. */
export const sshEnvironment = (): NodeJS.ProcessEnv => {
  const { HOME, SSH_AUTH_SOCK } = process.env
  return childEnvironment({ ...(HOME && { HOME }), ...(SSH_AUTH_SOCK && { SSH_AUTH_SOCK }) })
}

export const settingProblems = (problems: readonly SettingProblem[]): AppError =>
  new AppError(
    'setting_invalid',
    `${problems.length === 1 ? 'A setting is' : `${problems.length} settings are`} invalid:\n${problems
      .map(({ setting, message }) => `  ${setting} ${message}`)
      .join('\n')}`,
  )

const textOf = (name: string, setting: Setting<unknown>, env: NodeJS.ProcessEnv): string | undefined => {
  const direct = env[name] === '' ? undefined : env[name]
  const file = setting.secret && env[`${name}_FILE`] !== '' ? env[`${name}_FILE`] : undefined
  if (direct !== undefined && file !== undefined) throw new Error(`is set twice, also by ${name}_FILE`)
  if (file !== undefined) {
    if (!existsSync(file)) throw new Error(`names a file by ${name}_FILE that does not exist`)
    const content = readFile(file, `names a file by ${name}_FILE that`).trim()
    if (content === '') throw new Error(`names an empty file by ${name}_FILE`)
    return content
  }
  return direct ?? setting.fallback
}

const readEnvFile = (file: string, problems: SettingProblem[]): NodeJS.Dict<string> => {
  if (!existsSync(file)) return {}
  try {
    return parseEnv(readFile(file, 'is there, but'))
  } catch (error) {
    problems.push({ setting: file, message: messageOf(error) })
    return {}
  }
}

const readFile = (file: string, which: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(`${which} ${code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`}`, { cause })
  }
}

/** A problem that lies between settings; it is none while one of those that it is told of could not be read. */
type Contradiction = SettingProblem & { of: readonly SettingName[] }

const contradictions = (config: Config): Contradiction[] => {
  const problems: Contradiction[] = []
  for (const whose of ['CLIENT', 'BACKUP'] as const) {
    const bucket = config[`${whose}_S3_BUCKET`]
    const accessKey = config[`${whose}_S3_ACCESS_KEY`]
    const secretKey = config[`${whose}_S3_SECRET_KEY`]
    const [bucketName, accessName, secretName] = [
      `${whose}_S3_BUCKET`,
      `${whose}_S3_ACCESS_KEY`,
      `${whose}_S3_SECRET_KEY`,
    ] as const
    if ((accessKey || secretKey) && !bucket)
      problems.push({ setting: bucketName, message: 'is not set, but its keys are', of: [bucketName] })
    if (accessKey && !secretKey)
      problems.push({ setting: secretName, message: `is not set, but ${accessName} is`, of: [secretName] })
    if (secretKey && !accessKey)
      problems.push({ setting: accessName, message: `is not set, but ${secretName} is`, of: [accessName] })
  }
  if (config.CLIENT_S3_BUCKET !== undefined && bucketPlace(config, 'CLIENT') === bucketPlace(config, 'BACKUP'))
    problems.push({
      setting: 'BACKUP_S3_PREFIX',
      message:
        'makes the backup the same bucket and prefix as the client; set another prefix, or another BACKUP_S3_BUCKET',
      of: (['CLIENT', 'BACKUP'] as const).flatMap((whose): SettingName[] => [
        'CLIENT_ID',
        `${whose}_S3_BUCKET`,
        `${whose}_S3_PREFIX`,
        `${whose}_S3_ENDPOINT`,
      ]),
    })
  return problems
}

/** Where a destination's bucket is. A name is that of one bucket in all regions of AWS. */
const bucketPlace = (config: Config, whose: 'CLIENT' | 'BACKUP'): string => {
  const endpoint = config[`${whose}_S3_ENDPOINT`]
  const { host, pathname } = endpoint === undefined ? awsAddress : new URL(endpoint)
  const service = `.${host}`.endsWith(`.${awsAddress.host}`)
    ? awsAddress.host
    : `${host}${pathname.replace(/\/+$/, '')}`
  return [service, config[`${whose}_S3_BUCKET`], bucketPrefix(config, whose)].join(' ')
}
const awsAddress = new URL('https://amazonaws.com')

const ownPrefixes =
  /^(CLIENT_|BACKUP_|SITES_|PRIVACY_|PARQUET_|EXPORT_|COLLECT_|BILLING_|AGENTS_|BUFFER_|PROFILE_|NOTES_|REDACT_|RESPECT_|RATE_LIMIT_|SPOOL_|STAGING_|WEBHOOK_|ALERT_|ENCODE_|PART_)/

const misspelt = (key: string, everywhere: boolean): SettingProblem[] => {
  const plain = key.endsWith('_FILE') ? key.slice(0, -'_FILE'.length) : key
  if (plain in settings || key in settings) return []
  if (!everywhere && !ownPrefixes.test(key)) return []
  const near = settingNames.find((name) => distance(name, plain) <= (name.length > 6 ? 2 : 1))
  return near ? [{ setting: key, message: `is not a setting; did you mean ${near}?` }] : []
}

/** Levenshtein distance. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length] ?? 0
}
