import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Writable } from 'node:stream'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import t from 'tap'
import { parse } from 'yaml'
import { z } from 'zod'
import { rulesSchema } from '../../src/export/rules.ts'
import { parseClient } from '../../src/provisioning/client-file.ts'
import { renderClientExample, renderClientManual, renderClientSchema } from '../../src/provisioning/client-manual.ts'
import { provisionCommand } from '../../src/provisioning/command.ts'
import { breachesOf } from '../../src/provisioning/policy.ts'
import { listReleases, loadRelease } from '../../src/provisioning/release.ts'
import { type RenderedFile, render } from '../../src/provisioning/render.ts'
import { renderDevelopmentNginx } from '../../src/provisioning/render-development.ts'
import { tempFolder } from '../support/exporter.ts'
import { seedOf } from '../support/random.ts'
import { type ClientName, clientTexts, testClient } from './clients.ts'

const root = path.join(import.meta.dirname, '../..')
const golden = path.join(import.meta.dirname, 'golden')
const names = Object.keys(clientTexts) as ClientName[]
const release = loadRelease('0.1.0')
const renderNamed = (name: ClientName): RenderedFile[] => render(testClient(name), release)

t.test('three clients are rendered as their golden folders', async (t) => {
  for (const name of names) {
    const files = renderNamed(name)
    const folder = path.join(golden, name)
    if (process.env.UPDATE_GOLDEN) {
      rmSync(folder, { recursive: true, force: true })
      for (const file of files) {
        mkdirSync(path.dirname(path.join(folder, file.path)), { recursive: true })
        writeFileSync(path.join(folder, file.path), file.text)
      }
    }
    const kept = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    t.strictSame(kept.sort(), files.map((file) => file.path).sort(), name)
    for (const file of files)
      t.equal(file.text, readFileSync(path.join(folder, file.path), 'utf8'), `${name}: ${file.path}`)
  }
})

t.test('the same client gives the same bytes, in whatever order its keys stand', async (t) => {
  for (const name of names) {
    const shuffled = Object.fromEntries(Object.entries(parse(clientTexts[name])).reverse())
    t.strictSame(render(parseClient(JSON.stringify(shuffled), name), release), renderNamed(name))
  }
})

t.test('the manifest names every file by its hash', async (t) => {
  for (const name of names) {
    const files = renderNamed(name)
    const manifest = JSON.parse(files.at(-1)?.text ?? '') as { files: { path: string; sha256: string }[] }
    t.strictSame(
      manifest.files.map((one) => one.path),
      files.slice(0, -1).map((one) => one.path),
    )
    for (const { path: place, sha256 } of manifest.files)
      t.equal(
        sha256,
        execFileSync('sha256sum', { input: files.find((one) => one.path === place)?.text ?? '' })
          .toString()
          .slice(0, 64),
      )
  }
})

t.test('any valid client renders without a breach of the rules, twice to the same bytes', async (t) => {
  fc.assert(
    fc.property(
      fc.record({
        cpus: fc.integer({ min: 1, max: 64 }),
        memory_gb: fc.integer({ min: 2, max: 512 }),
        disk_gb: fc.integer({ min: 20, max: 10_000 }),
        os: fc.constantFrom('ubuntu-24.04', 'ubuntu-22.04', 'debian-12'),
        mode: fc.constantFrom('letsencrypt', 'own', 'none'),
        privacy: fc.constantFrom('standard', 'gdpr', 'hipaa'),
        write_keys: fc.boolean(),
        keys: fc.constantFrom('given', 'later', undefined),
      }),
      ({ cpus, memory_gb, disk_gb, os, mode, privacy, write_keys, keys }) => {
        const client = parseClient(
          JSON.stringify({
            ...parse(clientTexts.small),
            ...{ vm: { cpus, memory_gb, disk_gb, os }, tls: { mode }, privacy, write_keys },
            ...(keys && { client_bucket: { bucket: 'bucket', keys } }),
          }),
          'random',
        )
        const files = render(client, release)
        t.strictSame(breachesOf(files), [])
        t.strictSame(render(client, release), files)
        const services = Object.values(parse(textOf(files, 'compose.yaml')).services) as { mem_limit: string }[]
        const limits = services.reduce((sum, one) => sum + Number.parseInt(one.mem_limit, 10), 0)
        if (memory_gb >= 3) t.ok(limits <= memory_gb * 1024, `${limits} MB of ${memory_gb} GB`)
      },
    ),
    { numRuns: 60, seed: seedOf(t) },
  )
})

t.test('the rules find what breaks them', async (t) => {
  const files = renderNamed('sites')
  const broken = (file: string, from: string | RegExp, to: string) =>
    breachesOf(files.map((one) => (one.path === file ? { ...one, text: one.text.replace(from, to) } : one))).map(
      (one) => one.rule,
    )
  t.strictSame(broken('compose.yaml', 'a', 'a'), [])
  for (const [from, to, rule] of [
    ['read_only: true', 'read_only: false', 'CIS 5.13'],
    ['    cap_drop:\n      - ALL\n', '', 'CIS 5.4'],
    ['      - FOWNER\n', '      - SYS_ADMIN\n', 'CIS 5.4'],
    ['      - no-new-privileges:true\n', '      - seccomp:unconfined\n', 'CIS 5.26'],
    ['    mem_limit: ', '    x-limit: ', 'CIS 5.11'],
    ['    cpus: ', '    x-cpus: ', 'CIS 5.12'],
    ['    pids_limit: ', '    x-pids: ', 'CIS 5.29'],
    ['80:80', '5432:5432', 'CIS 5.8, 5.9'],
    ['./settings:/appliance:ro', '/etc:/appliance:ro', 'CIS 5.6'],
    ['./settings:/appliance:ro', '/var/run/docker.sock:/var/run/docker.sock', 'CIS 5.32'],
    ['2.22.1-pg17', 'latest-pg17', 'image'],
    ['driver: local', 'driver: json-file', 'logs'],
    ['POSTGRES_PASSWORD_FILE: /run/secrets/postgres-password', 'POSTGRES_PASSWORD: fish', 'CIS 4.10'],
    ['POSTGRES_PASSWORD_FILE: /run/secrets/postgres-password', 'POSTGRES_PASSWORD: postgres:postgres', 'secrets'],
    ['POSTGRES_DB: evothesis', 'POSTGRES_DB: $' + '{NAME}', 'variables'],
    ['internal: true', 'internal: false', 'CIS 5.30'],
    ['restart: unless-stopped', 'restart: "no"', 'restart'],
    ['    init: true\n', '    init: true\n    network_mode: host\n', 'CIS 5.10'],
    ['    init: true\n', '    init: true\n    privileged: true\n', 'CIS 5.5'],
  ] as const)
    t.ok(broken('compose.yaml', from, to).includes(rule), `${rule}: ${to}`)
  t.ok(broken('cloud-init.yaml', '#cloud-config', '# cloud-config').includes('cloud-init'))
  t.ok(broken('cloud-init.yaml', 'ssh_pwauth: false', 'ssh_pwauth: true').includes('cloud-init'))
  t.ok(
    broken('settings/settings.env', 'DEMO=false', 'X=postgres://evothesis:fishermansfriend@db/x').includes('secrets'),
  )
  t.ok(broken('settings/settings.env', 'DEMO=false', 'X=AKIAIOSFODNN7EXAMPLE').includes('secrets'))
})

t.test('every compose file is one, by the schema of the specification', async (t) => {
  const isCompose = composeSchema()
  for (const name of names) {
    const compose = parse(textOf(renderNamed(name), 'compose.yaml'))
    t.ok(isCompose(compose), `${name}: ${JSON.stringify(isCompose.errors)}`)
    t.notOk(isCompose({ ...compose, services: { a: { image: 'a', portz: [] } } }), 'and it refuses what is none')
  }
})

t.test('on a laptop: a compose file of the same kind, on loopback alone', async (t) => {
  const compose = parse(readFileSync(path.join(root, 'appliance/compose.development.yaml'), 'utf8'))
  t.ok(composeSchema()(compose))
  t.equal(compose.services.timescaledb.image, release.images.database)
  for (const [name, service] of Object.entries<{ ports?: string[]; read_only?: boolean }>(compose.services)) {
    if (name !== 'secrets') t.equal(service.read_only, true, name)
    for (const published of service.ports ?? []) t.match(published, /^127\.0\.0\.1:/, name)
  }
})

t.test('another rule is another container: compose itself sees no change in a mounted file', async (t) => {
  const workerOf = (text: string) =>
    parse(textOf(render(parseClient(text, 'client.yaml'), release), 'compose.yaml')).services.worker
  const changed = clientTexts.sites.replace('mouse_move', 'scroll')
  t.notSame(workerOf(clientTexts.sites), workerOf(changed))
})

t.test('nginx asks the collector for all that the collector answers', async (t) => {
  const { collectPaths } = await import('../../src/provisioning/render-nginx.ts')
  const routed = new RegExp(collectPaths)
  for (const address of [
    ...['/collect', '/api/v1/events', '/v1/batch', '/v1/track', '/v1/b', '/batch', '/b', '/beacon/v1/batch', '/v1/m'],
    ...['/v1/projects/key/settings', '/projects/key/settings', '/sourceConfig', '/schema/collect.json'],
  ])
    t.ok(routed.test(address), address)
  for (const address of ['/export/run', '/billing/usage', '/webhooks', '/', '/collector', '/batches'])
    t.notOk(routed.test(address), address)
})

t.test('unknown keys, secrets and contradictions are refused, each with its place', async (t) => {
  const refused = (text: string, message: RegExp) =>
    t.throws(() => parseClient(text, 'client.yaml'), { code: 'setting_invalid', message })
  const { small } = clientTexts
  refused(`${small}\nprivacyy: gdpr\n`, /privacyy/)
  refused(`${small}\ntls: { mod: own }\n`, /mod/)
  refused(`${small}\nname: twice\n`, /unique/)
  refused(`${small}\nsettings: { ADMIN_TOKEN: abc }\n`, /is a secret/)
  refused(`${small}\nsettings: { PRIVACY_LEVEL: gdpr }\n`, /key of its own/)
  refused(`${small}\nsettings: { BUFFER_HOURS: 1 }\n`, /is not a setting/)
  refused(`${small}\nsettings: { BUFFER_RETENTION_HOURS: soon }\n`, /whole number/)
  refused(`${small}\nsettings: { HASH: "a$b" }\n`, /is not a setting/)
  refused(`${small}\nsettings: { AGENTS_MODEL: "a$b" }\n`, /may not hold/)
  refused(`${small}\ndatabase: { shared_buffers: "1GB; drop" }\n`, /may hold/)
  // What the reader of settings.env takes for a comment, a quote, or space that is not there.
  refused(`${small}\nsettings: { AGENTS_MODEL: "a #b" }\n`, /may not hold/)
  refused(`${small}\nsettings: { AGENTS_MODEL: " a" }\n`, /may not hold/)
  refused(`${small}\nclient_bucket: { bucket: one, prefix: "'one" }\n`, /prefix/)
  // Node.js takes a zone for part of an address, nginx does not start with it.
  refused(`${small}\nadmin_addresses: ["fe80::1%eth0"]\n`, /must be an address/)
  refused(`${small}\ndomain: not a host\n`, /unique|host name/)
  refused(small.replace(/recipients:[\s\S]*/, 'recipients: []\n'), /two public keys/)
  refused(small.replace(/age1\w+/, 'age1wrong'), /public key of age/)
  refused(`${small}\ncollect_workers: 5\n`, /more than vm.cpus/)
  refused(
    `${small}\nclient_bucket: { bucket: one, prefix: corner-shop }\nbackup_bucket: { bucket: one }\n`,
    /same bucket/,
  )
  refused('', /version/)
  refused('version: [', /not YAML/)
})

t.test('what is validated: rules of hardening, settings, export rules, and the folder itself', async (t) => {
  const folder = await tempFolder(t)
  const rulesProblem = (rules: unknown) => {
    const checked = rulesSchema.safeParse(rules)
    return checked.success ? null : z.prettifyError(checked.error)
  }
  const provision = async (action: string): Promise<[code: number, said: string]> => {
    let said = ''
    const stdout = new Writable({
      write(chunk, _encoding, done) {
        said += chunk
        done()
      },
    })
    return [await provisionCommand([action, folder], { stdout, rulesProblem }), said]
  }
  writeFileSync(path.join(folder, 'client.yaml'), clientTexts.sites)
  t.match(await provision('validate'), [1, /^appliance: missing; run: evothesis provision render/])
  t.match(await provision('render'), [0, /^Rendered \d+ files/])
  t.match(await provision('validate'), [0, /no problem/])
  t.match(await provision('diff'), [0, 'Nothing differs.'])
  writeFileSync(path.join(folder, 'client.yaml'), clientTexts.sites.replace('mouse_move]', 'mouse_move], days: 3'))
  await provision('render')
  t.match(await provision('validate'), [1, /^export\.rules: .*days/])
  writeFileSync(path.join(folder, 'appliance/note.txt'), 'mine')
  await t.rejects(provision('render'), { code: 'conflict', message: /note\.txt was not rendered/ })
})

t.test('cloud-init stays below 16 KB, or is refused', async (t) => {
  for (const name of names) t.ok(Buffer.byteLength(textOf(renderNamed(name), 'cloud-init.yaml')) < 16_384)
  const keys = Array.from({ length: 50 }, (_, n) => `ssh-rsa ${'A'.repeat(400)} key-${n}`)
  const client = parseClient(JSON.stringify({ ...parse(clientTexts.small), vm: { ssh_keys: keys } }), 'client.yaml')
  t.throws(() => render(client, release), { code: 'setting_invalid', message: /more than 16384/ })
})

t.test('the first start makes secrets once; running it again never changes one', async (t) => {
  const folder = await tempFolder(t)
  const files = renderNamed('sites')
  for (const file of files) {
    mkdirSync(path.dirname(path.join(folder, file.path)), { recursive: true })
    writeFileSync(path.join(folder, file.path), file.text, { mode: Number.parseInt(file.mode, 8) })
  }
  const run = () => {
    try {
      return { code: 0, said: execFileSync(path.join(folder, 'first-boot.sh'), { encoding: 'utf8', stdio: 'pipe' }) }
    } catch (error) {
      const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string }
      return { code: status, said: `${stdout}${stderr}` }
    }
  }
  const secrets = () =>
    Object.fromEntries(
      readdirSync(path.join(folder, 'secrets')).map((name) => [
        name,
        readFileSync(path.join(folder, 'secrets', name), 'utf8'),
      ]),
    )
  const first = run()
  t.equal(first.code, 3, 'what must be given is asked for')
  t.match(first.said, 'missing secrets: backup-s3-access-key backup-s3-secret-key')
  for (const name of ['backup-s3-access-key', 'backup-s3-secret-key'])
    writeFileSync(path.join(folder, 'secrets', name), `given ${name}`)
  t.equal(run().code, 0)
  const made = secrets()
  for (const [name, value] of Object.entries(made)) {
    if (!name.startsWith('backup-s3')) t.notMatch(first.said, value, `${name} is not shown`)
    t.equal(readFileSync(path.join(folder, 'secrets', name)).length > 10, true, name)
  }
  t.match(made['postgres-password'], /^[0-9a-f]{64}$/)
  t.equal(made['database-url'], `postgres://evothesis:${made['postgres-password']}@timescaledb:5432/evothesis`)
  t.match(made['billing-webhook-secret'], /^whsec_[A-Za-z0-9+/]{43}=$/)
  const certificate = readFileSync(path.join(folder, 'certificates/fullchain.pem'), 'utf8')

  // Whatever is lost, and however often it runs: what is there stays, what is lost is made anew.
  await fc.assert(
    fc.asyncProperty(fc.subarray(Object.keys(made).filter((name) => !name.startsWith('backup-s3'))), async (lost) => {
      const before = secrets()
      for (const name of lost) rmSync(path.join(folder, 'secrets', name))
      run()
      const after = secrets()
      for (const [name, value] of Object.entries(before))
        if (!lost.includes(name)) t.equal(after[name], value, `${name} is as it was`)
        else t.ok(/^(database-url|postgres-password)$/.test(name) || after[name] !== value, `${name} is new`)
      t.match(after['database-url'], `:${after['postgres-password']}@`, 'address and password agree')
      t.strictSame(Object.keys(after).sort(), Object.keys(made).sort())
    }),
    { numRuns: 12, seed: seedOf(t) },
  )
  t.equal(readFileSync(path.join(folder, 'certificates/fullchain.pem'), 'utf8'), certificate)
})

t.test('the example, the schema and the manual are printed from the schema that checks', async (t) => {
  const printed = {
    'provisioning/client.example.yaml': renderClientExample(),
    'provisioning/client.schema.json': renderClientSchema(),
    'docs/client-yaml.md': renderClientManual(),
    'appliance/nginx/development/nginx.conf': renderDevelopmentNginx(),
  }
  for (const [file, text] of Object.entries(printed)) {
    const place = path.join(root, file)
    if (process.env.UPDATE_GOLDEN) writeFileSync(place, text)
    t.ok(existsSync(place) && readFileSync(place, 'utf8') === text, `${file}; UPDATE_GOLDEN=1 prints it again`)
  }
  t.match(printed['docs/client-yaml.md'], '`backups.recipients`')
  // Every key, taken out of its comment, is accepted.
  const all = renderClientExample().replaceAll(/^#(?! \S)/gm, '')
  const client = parseClient(all.replace('bucket: acme-events', 'bucket: other-events'), 'client.example.yaml')
  t.equal(client.settings.BUFFER_RETENTION_HOURS, '168')
  t.strictSame(breachesOf(render(client, release)), [])
  parseClient(renderClientExample(), 'client.example.yaml')
})

t.test(
  'every release is well formed, is reached from others that are there, and is the program of its own name',
  async (t) => {
    const releases = listReleases().map((version) => loadRelease(version))
    for (const one of releases) t.ok(one.from.every((version) => listReleases().includes(version)))
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
    t.equal(releases.at(-1)?.version, version)
    t.match(releases.at(-1)?.images, {
      app: `evothesis/evothesis:${version}`,
      web: `evothesis/evothesis-web:${version}`,
    })
    t.throws(() => loadRelease('9.9.9'), { code: 'setting_invalid', message: /There is no release 9.9.9/ })
  },
)

const textOf = (files: readonly RenderedFile[], name: string): string =>
  files.find((one) => one.path === name)?.text ?? ''

const composeSchema = () => {
  const folder = path.dirname(createRequire(import.meta.url).resolve('dclint/package.json'))
  const { $schema: _, ...schema } = JSON.parse(readFileSync(path.join(folder, 'schemas/compose.schema.json'), 'utf8'))
  const ajv = new Ajv({ strict: false, allErrors: true })
  addFormats.default(ajv)
  return ajv.compile(schema)
}
