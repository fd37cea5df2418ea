import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { stringify } from 'yaml'
import { parseClient } from '../../src/provisioning/client-file.ts'
import { writeFolder } from '../../src/provisioning/folder.ts'
import { keygen } from '../../src/provisioning/keygen.ts'
import { breachesOf } from '../../src/provisioning/policy.ts'
import { loadRelease } from '../../src/provisioning/release.ts'
import { render } from '../../src/provisioning/render.ts'
import { bucketReader } from '../support/buckets.ts'
import { tempFolder } from '../support/exporter.ts'
import { makeCertificate } from './nginx-server.ts'

/** Started by containers.sh, which finds an engine. Everything here is as on a client's machine but the S3 API and the port. */
const { COMPOSE = '', ENGINE = '' } = process.env
const root = path.join(import.meta.dirname, '../..')
const release = loadRelease('0.1.0')
const project = 'evothesis-test'
const subnet = '10.213.57'
const domain = 'events.container.example'
const s3Address = `http://${subnet}.20:9000`
const waitMsMax = 150_000

const isDocker = ENGINE === 'docker'
const engine = (...args: string[]): string =>
  execFileSync(ENGINE, isDocker ? args : ['run', ...args], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
const buildImage = (target: string, name: string): void => {
  const args = ['build', '-q', '-f', 'appliance/Dockerfile', '--target', target, '-t', name, '.']
  execFileSync(ENGINE, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
}

const folder = await tempFolder(t)
const compose = (...args: string[]): string => composeWith('', args)
const composeWithKey = (...args: string[]): string => composeWith(readFileSync(keys[1], 'utf8'), args)
const composeWith = (input: string, args: readonly string[]): string => {
  const [program = '', ...first] = COMPOSE.split(' ')
  const files = ['-p', project, '-f', 'compose.yaml', '-f', 'test.yaml']
  const done = spawnSync(program, [...first, ...files, ...args], {
    input,
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64_000_000,
  })
  if (done.status !== 0)
    throw new Error(`compose ${args.join(' ')} ended with ${done.status}:\n${done.stdout}${done.stderr}`)
  return done.stdout
}
const program = (service: string, ...args: string[]): string =>
  compose('exec', '-T', service, 'node', '/app/dist/bin/evothesis.js', ...args)
const containerOf = (service: string): string => compose('ps', '-q', service).trim()

const until = async (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const endMs = Date.now() + waitMsMax
  for (;;) {
    if (await (async () => isSo())().catch(() => false)) return
    if (Date.now() > endMs)
      throw new Error(`${what}: not within ${waitMsMax} ms\n${compose('ps', '-a')}${compose('logs', '--tail', '20')}`)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

const keys = [path.join(folder, 'operator.key'), path.join(folder, 'recovery.key')] as const
const recipients = [await keygen(keys[0]), await keygen(keys[1])]
const client = parseClient(
  JSON.stringify({
    ...{ version: 1, name: 'container', domain, release: release.version, tls: { mode: 'own' } },
    ...{ vm: { subnet: `${subnet}.0/24` }, export: { formats: ['json', 'parquet'], schedule: 'off' } },
    client_bucket: { bucket: 'client', endpoint: s3Address },
    backup_bucket: { bucket: 'agency', endpoint: s3Address },
    backups: { recipients, schedule: 'off' },
  }),
  'client.yaml',
)
const files = render(client, release)
t.strictSame(breachesOf(files), [])
writeFolder(`${folder}/appliance`, files)
for (const file of files) {
  mkdirSync(path.dirname(path.join(folder, file.path)), { recursive: true })
  copyFileSync(path.join(folder, 'appliance', file.path), path.join(folder, file.path))
}
const { ca } = makeCertificate(folder, domain)
mkdirSync(path.join(folder, 'secrets'), { mode: 0o700 })
const give = (name: string, text: string) => writeFileSync(path.join(folder, 'secrets', name), text)
give('tls-certificate', readFileSync(path.join(folder, 'fullchain.pem'), 'utf8'))
give('tls-key', readFileSync(path.join(folder, 'privkey.pem'), 'utf8'))
for (const whose of ['client', 'backup'])
  for (const part of ['access', 'secret']) give(`${whose}-s3-${part}-key`, 'S3RVER')
execFileSync(path.join(folder, 'first-boot.sh'), { stdio: 'pipe' })

/** What a test needs otherwise: an S3 API, a port of its own on loopback, and what the engine cannot do. */
const localLog = isDocker ? {} : { logging: { driver: 'k8s-file' } }
const limits = isDocker ? {} : { ulimits: { nofile: 4096, nproc: 1024 } }
writeFileSync(
  path.join(folder, 'test.yaml'),
  stringify({
    services: {
      ...Object.fromEntries(
        ['timescaledb', 'collect', 'worker', 'backup'].map((name) => [name, { ...localLog, ...limits }]),
      ),
      nginx: { ...localLog, ...limits, ports: ['127.0.0.1::443'] },
      s3: {
        image: 'node:24-bookworm-slim',
        ...{ ...localLog, ...limits, init: true },
        command: ['node', '/s3/server.cjs'],
        volumes: [`${folder}/s3:/s3`, `${path.join(root, 'node_modules')}:/s3/node_modules:ro`],
        networks: { front: { ipv4_address: `${subnet}.20` } },
      },
    },
  }).replace('    ports:\n', '    ports: !override\n'),
)
mkdirSync(path.join(folder, 's3/data'), { recursive: true })
writeFileSync(
  path.join(folder, 's3/server.cjs'),
  `const S3rver = require('s3rver'); const buckets = ['client', 'agency'].map((name) => ({ name, configs: [] }))
new S3rver({ address: '0.0.0.0', port: 9000, silent: true, directory: '/s3/data', configureBuckets: buckets }).run()\n`,
)

/** Through nginx, over TLS with our own authority, on a connection of its own. */
let port = 0
const send = (batchId: string): Promise<number> =>
  new Promise((resolve) => {
    const body = JSON.stringify({
      ...{ eventType: 'batch', batchId, siteId: 'shop.example', visitorId: 'v', sessionId: 's' },
      events: [{ eventType: 'pageview', eventData: { mark: batchId } }],
    })
    const request = https.request(
      {
        host: '127.0.0.1',
        port,
        servername: domain,
        path: '/collect',
        method: 'POST',
        ca,
        agent: false,
        headers: { host: domain },
        timeout: 40_000,
      },
      (answer) => {
        answer.resume()
        answer.on('end', () => resolve(answer.statusCode ?? 0))
        answer.on('error', () => resolve(0))
      },
    )
    request.on('timeout', () => request.destroy())
    request.on('error', () => resolve(0))
    request.end(body)
  })
const acknowledged = new Set<string>()
/** As the pixel does: the same batch again until it is acknowledged. */
const sendSurely = async (batchId: string): Promise<void> => {
  await until(`batch ${batchId} is acknowledged`, async () => (await send(batchId)) === 200)
  acknowledged.add(batchId)
}
const findPort = (): void => {
  port = Number(/:(\d+)\s*$/.exec(compose('port', 'nginx', '443').trim())?.[1])
}
const healthy = (service: string): boolean =>
  engine('inspect', '--format', '{{.State.Health.Status}}', containerOf(service)).includes('healthy') &&
  !engine('inspect', '--format', '{{.State.Health.Status}}', containerOf(service)).includes('un')
const services = ['timescaledb', 'collect', 'worker', 'nginx', 'backup'] as const

t.teardown(() => {
  if (!process.env.KEEP)
    spawnSync('sh', ['-c', `${COMPOSE} -p ${project} -f compose.yaml -f test.yaml down -v -t 5`], {
      cwd: folder,
      stdio: 'ignore',
    })
})

const buildImages = (): void => {
  if (!isDocker) {
    const bases = [...readFileSync(path.join(root, 'appliance/Dockerfile'), 'utf8').matchAll(/^FROM (\S+)/gm)].map(
      ([, name = '']) => name,
    )
    execFileSync(ENGINE, ['images', ...new Set([...bases, release.images.database])], { cwd: root, stdio: 'inherit' })
  }
  buildImage('app', release.images.app)
  buildImage('web', release.images.web)
}

t.test('the images are built, and hold neither build tools nor an account with rights', async (t) => {
  if (process.env.KEEP_IMAGES === undefined) buildImages()
  const inside = (command: string) =>
    engine(
      'run',
      '--rm',
      ...(isDocker ? [] : ['--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=1024:1024']),
      '--network',
      'none',
      '--entrypoint',
      'sh',
      release.images.app,
      '-c',
      command,
    ).trim()
  t.equal(inside('id -u'), '10001')
  t.equal(inside('for tool in npm npx yarn gcc make git python3; do command -v $tool; done; true'), '')
  t.match(inside('pg_dump --version'), `(PostgreSQL) ${release.postgres_major}`)
  t.match(inside('node /app/dist/bin/evothesis.js --help'), 'Usage: evothesis')
})

t.test('the appliance comes up, hardened, with nginx alone in reach', async (t) => {
  // What a run that was killed has left: its database has another password.
  compose('down', '-v', '-t', '5')
  compose('up', '-d')
  await until('everything is healthy', () => services.every(healthy))
  findPort()
  for (const service of services) {
    const [state] = JSON.parse(engine('inspect', containerOf(service))) as {
      HostConfig: {
        ReadonlyRootfs: boolean
        Privileged: boolean
        Memory: number
        PidsLimit: number
        SecurityOpt: string[]
        PortBindings: object
      }
      Config: { Env: string[] }
    }[]
    const { HostConfig: host, Config: config } = state as NonNullable<typeof state>
    t.match(host, { ReadonlyRootfs: true, Privileged: false }, service)
    t.ok(host.Memory > 0 && host.PidsLimit > 0, `${service} has limits`)
    t.match(host.SecurityOpt.join(), 'no-new-privileges', service)
    // A port that an image only names has no binding.
    const published = Object.values(host.PortBindings ?? {}).filter((one) => Array.isArray(one) && one.length > 0)
    t.equal(published.length, service === 'nginx' ? 1 : 0, `${service}: ports`)
    const secrets = ['postgres-password', 'hash-key', 'admin-token'].map((name) =>
      readFileSync(path.join(folder, 'secrets', name), 'utf8'),
    )
    for (const secret of secrets)
      t.notOk(config.Env.join('\n').includes(secret), `${service} has no secret in its environment`)
  }
  t.throws(() => compose('exec', '-T', 'collect', 'sh', '-c', 'touch /app/x'), 'nothing of the program can be changed')
  t.throws(
    () => compose('exec', '-T', 'collect', 'cat', '/run/secrets/client-s3-secret-key'),
    'what a service does not need it has not',
  )
  await sendSurely(randomUUID())
})

t.test('nothing that was acknowledged is lost: each container is killed, then all are restarted', async (t) => {
  let stop = false
  const visitors = Array.from({ length: 3 }, async () => {
    while (!stop) {
      await sendSurely(randomUUID())
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
  for (const service of services) {
    const before = acknowledged.size
    const pid = Number(engine('inspect', '--format', '{{.State.Pid}}', containerOf(service)).trim())
    process.kill(pid, 'SIGKILL')
    await until(`${service} is back`, () => {
      const now = Number(engine('inspect', '--format', '{{.State.Pid}}', containerOf(service)).trim())
      return now > 0 && now !== pid && healthy(service)
    })
    if (service === 'nginx') findPort()
    await until('events are taken', () => acknowledged.size > before + 20)
    t.pass(`${service} was killed`)
  }
  compose('restart', '-t', '20')
  findPort()
  await until('everything is healthy again', () => services.every(healthy))
  compose('down', '-t', '20')
  compose('up', '-d')
  findPort()
  await until('everything is healthy after down and up', () => services.every(healthy))
  const before = acknowledged.size
  await until('events are taken', () => acknowledged.size > before + 20)
  stop = true
  await Promise.all(visitors)
  t.comment(`${acknowledged.size} batches acknowledged`)
})

/** The marks of all events in a bucket, from the JSON files alone. */
const marksIn = async (bucket: string, prefix: string): Promise<string[]> => {
  const reader = bucketReader({ endpoint: s3Address, folder: '', close: async () => {} }, bucket, prefix)
  const marks: string[] = []
  for (const key of await reader.keys())
    if (key.endsWith('.json.gz') && key.startsWith('events/'))
      for (const line of gunzipSync(await reader.read(key))
        .toString()
        .split('\n')
        .filter(Boolean))
        marks.push(JSON.parse(line).raw_event_data.eventData.mark)
  return marks
}

t.test('export to both buckets: every acknowledged event once, and the proof of it', async (t) => {
  await until(
    'the spool is empty',
    () => compose('exec', '-T', 'collect', 'sh', '-c', 'find /data/spool -name "*.spool" | wc -l').trim() === '0',
  )
  program('worker', 'export', 'run')
  program('worker', 'export', 'verify', '--full')
  for (const [bucket, prefix] of [
    ['client', 'analytics'],
    ['agency', 'container'],
  ] as const) {
    const marks = await marksIn(bucket, prefix)
    t.equal(marks.length, new Set(marks).size, `${bucket}: none twice`)
    t.strictSame(
      [...acknowledged].filter((mark) => !marks.includes(mark)),
      [],
      `${bucket}: none lost`,
    )
  }
})

t.test('doctor finds the machine well, but for what a test has not', async (t) => {
  const said = spawnSync(
    'sh',
    [
      '-c',
      `${COMPOSE} -p ${project} -f compose.yaml -f test.yaml exec -T worker node /app/dist/bin/evothesis.js doctor --json`,
    ],
    { cwd: folder, encoding: 'utf8' },
  )
  const found = JSON.parse(said.stdout) as { checks: { name: string; state: string; found: string }[] }
  for (const name of [
    'disk',
    'schema',
    'durability',
    'timescaledb',
    'exports',
    'webhooks',
    'spool',
    'client destination',
    'backup destination',
  ])
    t.match(
      found.checks.find((one) => one.name === name),
      { state: 'ok' },
      name,
    )
})

t.test('backup, drill and restore', async (t) => {
  const made = JSON.parse(program('backup', 'backup', '--json'))
  t.ok(made.manifest.timescaledb, 'of a real TimescaleDB')
  const drill = JSON.parse(
    composeWithKey('exec', '-T', 'backup', 'node', '/app/dist/bin/evothesis.js', 'drill', '--json', '--identity', '-'),
  )
  t.match(drill, { ok: true, decrypted: true })
  t.equal(drill.part.stated, drill.part.derived)

  // Delivered after the backup: known again from the manifests. Then the database is gone.
  await sendSurely(randomUUID())
  program('worker', 'export', 'run')
  compose('stop', '-t', '20', 'collect', 'worker')
  const restored = JSON.parse(
    composeWithKey(
      ...['exec', '-T', 'backup', 'node', '/app/dist/bin/evothesis.js'],
      ...['restore', '--identity', '-', '--replace', '--json'],
    ),
  )
  t.match(restored, { name: made.name, adopted: { manifests: 1, events: 1 } })
  const ask = (query: string) =>
    compose('exec', '-T', 'timescaledb', 'psql', '-U', 'evothesis', '-d', 'evothesis', '-Atc', query).trim()
  t.equal(
    ask('select count(*) || $$ $$ || sum(events) from export_parts where adopted'),
    '1 1',
    'what was delivered since',
  )
  t.equal(ask('select count(*) from epochs'), '2', 'a new epoch')
  t.equal(ask('select count(*) from events_log'), String(made.manifest.tables.events_log))
  compose('up', '-d')
  await until('everything is healthy', () => services.every(healthy))
  findPort()
  await sendSurely(randomUUID())
  program('worker', 'export', 'run')
  program('worker', 'export', 'verify', '--full')
  const marks = await marksIn('agency', 'container')
  t.equal(marks.length, new Set(marks).size, 'none twice')
  t.strictSame(
    [...acknowledged].filter((mark) => !marks.includes(mark)),
    [],
    'none lost',
  )
})
