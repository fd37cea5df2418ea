import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { inspect } from 'node:util'
import t from 'tap'
import { loadConfig } from '../src/config.ts'
import { renderEnvExample } from '../src/env-example.ts'

const load = (env: NodeJS.ProcessEnv, envFile = '/dev/null') => loadConfig(env, envFile)
const folder = mkdtempSync(path.join(tmpdir(), 'evothesis-config-'))
const fileWith = (name: string, text: string): string => {
  const file = path.join(folder, name)
  writeFileSync(file, text)
  return file
}

t.test('without any setting everything has its default', (t) => {
  t.match(load({}), {
    CLIENT_ID: 'local',
    NODE_ID: 'n1',
    PORT: 8000,
    EXPORT_FORMAT: ['json'],
    SPOOL_BYTES_MAX: 2e9,
    RATE_LIMIT_COLLECT: 1000,
    RESPECT_DNT: true,
    BUFFER_RETENTION_HOURS: 72,
    CLIENT_S3_BUCKET: undefined,
    TRUST_PROXY: false,
  })
  t.end()
})

t.test('.env.example documents every setting as it is', (t) => {
  t.equal(readFileSync(new URL('../.env.example', import.meta.url), 'utf8'), renderEnvExample())
  t.end()
})

t.test('the environment goes before .env', (t) => {
  const file = fileWith('one.env', 'PORT=9001\nCLIENT_ID=acme\n')
  t.match(load({ PORT: '9002' }, file), { PORT: 9002, CLIENT_ID: 'acme' })
  t.end()
})

t.test('every invalid setting is named in one error', (t) => {
  const bad: NodeJS.ProcessEnv = {
    PORT: '-1',
    NODE_ID: 'a-b',
    CLIENT_ID: '../x',
    EXPORT_FORMAT: 'json,xml',
    EXPORT_SCHEDULE: 'sometimes',
    SPOOL_BYTES_MAX: 'much',
    BILLING_TIMEZONE: 'Mars/Olympus',
    CLIENT_S3_PREFIX: '../../etc',
    CLIENT_S3_ENDPOINT: 'ftp://example.com',
    TRUST_PROXY: '10.0.0.0/99',
    AGENTS: 'maybe',
    AGENTS_MODEL: 'a model',
    AGENTS_BUDGET_USD: '-1',
    ANTHROPIC_API_KEY: 'sk\nX-Header: 1',
    ANTHROPIC_BASE_URL: 'https://user:password@proxy.example',
  }
  const contradicting: NodeJS.ProcessEnv = { BACKUP_S3_ACCESS_KEY: 'a', CLIENT_S3_ACCESS_KEY: 'a' }
  const named = ['BACKUP_S3_BUCKET', 'BACKUP_S3_SECRET_KEY', 'CLIENT_S3_SECRET_KEY', 'CLIENT_S3_BUCKT']
  try {
    load({ ...bad, ...contradicting, CLIENT_S3_BUCKET: 'bucket', CLIENT_S3_BUCKT: 'bucket' })
    t.fail('it must throw')
  } catch (error) {
    const { message } = error as Error
    for (const name of [...Object.keys(bad), ...named]) t.match(message, `  ${name} `)
    t.match(message, `${Object.keys(bad).length + named.length} settings are invalid`)
  }
  t.end()
})

t.test('what depends on a setting that could not be read is no problem of its own', (t) => {
  const keys = { CLIENT_S3_ACCESS_KEY: 'a', CLIENT_S3_SECRET_KEY: 'b' }
  t.throws(() => load({ ...keys, CLIENT_S3_BUCKET: '-' }), {
    message: /^A setting is .*\n {2}CLIENT_S3_BUCKET is not a b/,
  })
  const same = { CLIENT_S3_BUCKET: 'shared', BACKUP_S3_BUCKET: 'shared', BACKUP_S3_PREFIX: 'analytics' }
  t.throws(() => load({ ...same, CLIENT_S3_PREFIX: '..' }), { message: /^A setting is .*\n {2}CLIENT_S3_PREFIX / })
  t.end()
})

t.test('a .env or a file of a secret that is a folder is said so, beside the other problems', (t) => {
  const wrong = { PORT: '-1', ADMIN_TOKEN_FILE: folder }
  t.throws(() => load(wrong, folder), {
    code: 'setting_invalid',
    message: new RegExp(`3 settings .*\n  ${folder} is there, but is a folder\n(.|\n)*  ADMIN_TOKEN .*is a folder`),
  })
  t.end()
})

t.test('a misspelt name is an error in .env, and below our prefixes in the environment', (t) => {
  t.throws(() => load({}, fileWith('two.env', 'EXPORT_FORMATS=json')), { message: /did you mean EXPORT_FORMAT/ })
  t.throws(() => load({}, fileWith('three.env', 'DATABSE_URL=x')), { message: /did you mean DATABASE_URL/ })
  t.throws(() => load({ SITES_ALOWED: 'x.example' }), { message: /did you mean SITES_ALLOWED/ })
  t.throws(() => load({ CLIENT_S3_BUKET: 'x' }), { message: /did you mean CLIENT_S3_BUCKET/ })
  t.doesNotThrow(() => load({ HOSTS: 'x', PORTS: 'y', UNRELATED: 'z', EXPORT_SOMETHING_ELSE: 'w' }))
  t.end()
})

t.test('keys without a bucket, and half a pair of keys, are errors', (t) => {
  t.throws(() => load({ CLIENT_S3_ACCESS_KEY: 'a', CLIENT_S3_SECRET_KEY: 'b' }), { message: /CLIENT_S3_BUCKET/ })
  t.throws(() => load({ BACKUP_S3_BUCKET: 'bucket', BACKUP_S3_ACCESS_KEY: 'a' }), { message: /BACKUP_S3_SECRET_KEY/ })
  t.doesNotThrow(() => load({ BACKUP_S3_BUCKET: 'bucket' }))
  t.end()
})

t.test('the client and the backup may not be the same place', (t) => {
  const both = { CLIENT_S3_BUCKET: 'shared', BACKUP_S3_BUCKET: 'shared' }
  const minio = { CLIENT_S3_ENDPOINT: 'http://minio:9000', BACKUP_S3_ENDPOINT: 'http://MINIO:9000/' }
  const aws = { CLIENT_S3_ENDPOINT: 'https://s3.eu-central-1.amazonaws.com', BACKUP_S3_REGION: 'eu-central-1' }
  for (const same of [
    { ...both, CLIENT_ID: 'analytics' },
    { ...both, BACKUP_S3_PREFIX: '/analytics/' },
    { ...both, CLIENT_S3_PREFIX: 'acme', CLIENT_ID: 'acme' },
    { ...both, ...minio, CLIENT_S3_PREFIX: 'p', BACKUP_S3_PREFIX: 'p' },
    { ...both, ...aws, BACKUP_S3_PREFIX: 'analytics' },
  ])
    t.throws(() => load(same), { message: /BACKUP_S3_PREFIX makes .* the same .* BACKUP_S3_BUCKET/ })
  for (const different of [
    both,
    { ...both, BACKUP_S3_BUCKET: 'other', BACKUP_S3_PREFIX: 'analytics' },
    { ...both, CLIENT_S3_ENDPOINT: 'http://minio:9000', BACKUP_S3_PREFIX: 'analytics' },
    { CLIENT_S3_PREFIX: 'p', BACKUP_S3_PREFIX: 'p' },
  ])
    t.doesNotThrow(() => load(different))
  t.end()
})

t.test('an endpoint with credentials in it is refused, and not shown', (t) => {
  for (const name of ['CLIENT_S3_ENDPOINT', 'BACKUP_S3_ENDPOINT'])
    for (const userinfo of ['hidden:hidden', 'hidden', ':hidden'])
      try {
        load({ [name]: `http://${userinfo}@minio:9000` })
        t.fail('it must throw')
      } catch (error) {
        t.match((error as Error).message, `${name} must not hold a user or a password`)
        t.notMatch(inspect(error, { depth: 9 }), 'hidden')
      }
  t.doesNotThrow(() => load({ CLIENT_S3_ENDPOINT: 'http://minio:9000' }))
  t.end()
})

t.test('a DATABASE_URL that is none is refused, and not shown', (t) => {
  const wrong = [
    ...['#hidden', 'hidden#1', '1#hidden', 'hidden/1', '1/hidden', '1?hidden'].map(
      (password) => `postgres://user:${password}@db:5432/evothesis`,
    ),
    ...['hidden', 'db:5432/hidden', 'mysql://u:hidden@db/x', 'http://u:hidden@db/x', 'postgres:///hidden'],
    ...['postgres://u:hidden@/x', 'postgres://u:hidden@db:port/x', 'postgres://u:hidden@db:99999/x'],
  ]
  for (const value of wrong)
    for (const env of [{ DATABASE_URL: value }, { DATABASE_URL_FILE: fileWith('database-url', value) }])
      try {
        load(env)
        t.fail(`${value} must be refused`)
      } catch (error) {
        t.match((error as Error).message, /DATABASE_URL must be an address such as postgres:.*percent-encoded/)
        t.notMatch(inspect(error, { depth: 9 }), 'hidden')
      }
  for (const value of [
    'postgres://localhost/x',
    'postgresql://user:p%23%40%2F%25@db:5432/evothesis?sslmode=require',
    'postgres://user%40server:password@db.example.com/x',
    'postgres://user:pass@word@db.example.com/x',
    'postgres://user:100%@db.example.com/x?application_name=a@b',
    'postgres://postgres:x@[::1]:5432/postgres',
    'postgres:///evothesis?host=/var/run/postgresql',
  ])
    t.equal(load({ DATABASE_URL: value }).DATABASE_URL?.reveal(), value)
  t.end()
})

t.test('a secret may come from a file, and is never printed', (t) => {
  const file = fileWith('token', 'very-secret-value\n')
  const config = load({ ADMIN_TOKEN_FILE: file, DATABASE_URL: 'postgres://u:very-secret-value@h/d' })
  t.equal(config.ADMIN_TOKEN?.reveal(), 'very-secret-value')
  for (const shown of [JSON.stringify(config), inspect(config, { depth: 9 }), `${config.ADMIN_TOKEN}`])
    t.notMatch(shown, 'very-secret-value')
  t.throws(() => load({ ADMIN_TOKEN_FILE: file, ADMIN_TOKEN: 'other' }), { message: /set twice/ })
  t.throws(() => load({ ADMIN_TOKEN_FILE: path.join(folder, 'nothing') }), { message: /does not exist/ })
  t.throws(() => load({ HASH_KEY_FILE: fileWith('empty', '\n') }), { message: /empty/ })
  t.end()
})
