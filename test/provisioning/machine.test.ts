import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { apply, bring } from '../../src/provisioning/apply.ts'
import { certificateProblem } from '../../src/provisioning/certificate.ts'
import { provisionCommand } from '../../src/provisioning/command.ts'
import { applianceFolder, writeFolder } from '../../src/provisioning/folder.ts'
import { type Machine, sshMachine } from '../../src/provisioning/machine.ts'
import { loadRelease, type Release } from '../../src/provisioning/release.ts'
import { render } from '../../src/provisioning/render.ts'
import { rotate } from '../../src/provisioning/rotate.ts'
import { gateOf, upgrade } from '../../src/provisioning/upgrade.ts'
import { readAppliance } from '../../src/provisioning/validate.ts'
import { tempFolder } from '../support/exporter.ts'
import { clientTexts, testClient } from './clients.ts'
import { startMachine, type TestMachine, withoutSshd } from './ssh-server.ts'

const provision = async (...args: string[]): Promise<string> => {
  let said = ''
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      said += chunk
      done()
    },
  })
  await provisionCommand(args, { stdout })
  return said
}

/** A client's folder, its given secrets, and a machine that nobody has touched. */
const stand = async (t: Test, text = clientTexts.hipaa) => {
  const folder = await tempFolder(t)
  const machine = await startMachine(t, folder)
  const client = path.join(folder, 'client')
  mkdirSync(client)
  writeFileSync(path.join(client, 'client.yaml'), text)
  await provision('render', client)
  const secrets = path.join(folder, 'given')
  mkdirSync(secrets)
  const given = ['client-s3-access-key', 'client-s3-secret-key', 'backup-s3-access-key', 'backup-s3-secret-key']
  for (const name of given) writeFileSync(path.join(secrets, name), `given ${name}`)
  makeCertificate(secrets, 'events.clinic.example')
  const at = [
    '--host',
    'root@127.0.0.1',
    '--port',
    String(machine.port),
    '--identity',
    machine.identity,
    '--known-hosts',
    machine.knownHosts,
    '--folder',
    machine.folder,
  ]
  return { folder, machine, client, secrets, at, ssh: sshOf(machine) }
}
const sshOf = ({ port, identity, knownHosts, folder }: TestMachine): Machine =>
  sshMachine({ host: 'root@127.0.0.1', port: String(port), identity, knownHosts, folder })

/** Writes tls-key and tls-certificate into a folder. */
const makeCertificate = (folder: string, domain: string): void => {
  const pair = ['-keyout', path.join(folder, 'tls-key'), '-out', path.join(folder, 'tls-certificate')]
  const name = ['-subj', `/CN=${domain}`, '-addext', `subjectAltName=DNS:${domain}`]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30']
  execFileSync('openssl', ['req', '-x509', ...kind, ...name, ...pair], { stdio: 'ignore' })
}

/** A machine whose connection is cut while a file is sent to it: half of it arrives, and then the end. */
const cutOff = (machine: Machine, folder: string, name: string): Machine => ({
  ...machine,
  run(command, options = {}) {
    if (path.basename(options.inputFile ?? '') !== name) return machine.run(command, options)
    const half = path.join(folder, 'half')
    const text = readFileSync(options.inputFile ?? '', 'utf8')
    writeFileSync(half, text.slice(0, text.length / 2))
    return machine.run(command, { ...options, inputFile: half })
  },
})
const secretsOf = ({ folder }: TestMachine): Record<string, string> =>
  Object.fromEntries(
    readdirSync(path.join(folder, 'secrets')).map((name) => [
      name,
      readFileSync(path.join(folder, 'secrets', name), 'utf8'),
    ]),
  )

t.test(
  'a machine that shows another key than the one that is known is sent nothing',
  { skip: withoutSshd },
  async (t) => {
    const { machine, client, secrets, at, folder } = await stand(t)
    const theirs = readFileSync(path.join(folder, 'user.pub'), 'utf8').split(' ').slice(0, 2).join(' ')
    writeFileSync(machine.knownHosts, `[127.0.0.1]:${machine.port} ${theirs}\n`)
    await t.rejects(provision('apply', client, ...at, '--secrets', secrets), {
      code: 'machine_failed',
      message: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    })
    t.notOk(existsSync(machine.folder))
    writeFileSync(machine.knownHosts, '')
    await provision('apply', client, ...at, '--secrets', secrets)
    const shown = readFileSync(path.join(folder, 'host.pub'), 'utf8').split(' ')[1] ?? ''
    t.match(readFileSync(machine.knownHosts, 'utf8'), shown, 'the key of a new machine is kept')
    for (const knownHosts of ['', 'a"b', '~/hosts', '$HOME/hosts', folder, path.join(folder, 'nowhere/hosts')])
      t.throws(
        () => sshMachine({ host: 'a', knownHosts }),
        { code: 'usage_invalid', message: /--known-hosts/ },
        knownHosts,
      )
  },
)

t.test('apply brings everything, starts it, and never overwrites a secret', { skip: withoutSshd }, async (t) => {
  const { machine, client, secrets, at } = await stand(t)
  const plan = await provision('apply', client, ...at, '--secrets', secrets, '--dry-run')
  t.match(plan, /^Would bring \d+ of \d+ files/)
  t.notOk(existsSync(machine.folder), 'a dry run does nothing')
  await t.rejects(provision('apply', client, ...at), {
    code: 'machine_failed',
    message: /missing secrets: client-s3-access-key/,
  })
  t.match(
    await provision('apply', client, ...at, '--secrets', secrets),
    'clinic runs at https://events.clinic.example.',
  )
  const files = render(testClient('hipaa'), loadRelease('0.1.0'))
  for (const file of files) t.equal(readFileSync(path.join(machine.folder, file.path), 'utf8'), file.text, file.path)
  t.equal(machine.asked().at(-1), 'compose up -d --remove-orphans --wait --wait-timeout 5')
  const made = secretsOf(machine)
  t.equal(made['tls-key'], readFileSync(path.join(secrets, 'tls-key'), 'utf8'))
  t.equal(statSync(path.join(machine.folder, 'secrets')).mode & 0o777, 0o700)
  for (const name of Object.keys(made))
    t.equal(statSync(path.join(machine.folder, 'secrets', name)).mode & 0o777, 0o400, name)
  t.equal(statSync(path.join(machine.folder, 'secrets/hash-key')).uid, 10_001)
  t.equal(statSync(path.join(machine.folder, 'secrets/postgres-password')).uid, 0)

  t.match(await provision('diff', client, ...at), 'Nothing differs.')
  writeFileSync(path.join(machine.folder, 'nginx/nginx.conf'), 'changed by hand')
  t.match(await provision('diff', client, ...at), 'changed nginx/nginx.conf')
  await provision('apply', client, ...at)
  t.match(await provision('diff', client, ...at), 'Nothing differs.')
  makeCertificate(secrets, 'events.clinic.example')
  t.match(await provision('apply', client, ...at, '--secrets', secrets), '0 files were new')
  t.strictSame(secretsOf(machine), made, 'running it again changes no secret')
  t.notOk(
    machine.asked().some((line) => Object.values(made).some((value) => line.includes(value))),
    'no secret on a command line',
  )
  writeFileSync(path.join(secrets, 'unknown'), 'x')
  await t.rejects(provision('apply', client, ...at, '--secrets', secrets), {
    code: 'usage_invalid',
    message: /is no secret of clinic/,
  })
})

t.test(
  "a machine is one client's, a folder is as rendered, images come from a file or not at all",
  { skip: withoutSshd },
  async (t) => {
    const { folder, machine, client, at } = await stand(t, clientTexts.small)
    await provision('apply', client, ...at)
    writeFileSync(path.join(client, 'appliance/settings/settings.env'), 'PRIVACY_LEVEL=standard\n')
    await t.rejects(provision('apply', client, ...at), { code: 'conflict', message: /not as rendered/ })
    t.match(await provision('diff', client), 'changed settings/settings.env')
    await provision('render', client)
    const other = path.join(folder, 'other')
    mkdirSync(other)
    writeFileSync(path.join(other, 'client.yaml'), clientTexts.small.replace('corner-shop\n', 'other-shop\n'))
    await provision('render', other)
    await t.rejects(provision('apply', other, ...at), {
      code: 'conflict',
      message: /is n1 of corner-shop, not n1 of other-shop/,
    })

    machine.answer('case "$*" in "image inspect"*) exit 1 ;; *pull*) echo "no registry" >&2; exit 1 ;; esac')
    await t.rejects(provision('apply', client, ...at), {
      code: 'machine_failed',
      message: /app:1 web:1[\s\S]*--images FILE/,
    })
    machine.answer('')
    writeFileSync(path.join(folder, 'images.tar'), 'layers')
    await provision('apply', client, ...at, '--images', path.join(folder, 'images.tar'))
    t.equal(readFileSync(path.join(folder, 'loaded'), 'utf8'), 'layers')
    await t.rejects(provision('apply', client, '--host', '-oProxyCommand=x'), { code: 'usage_invalid' })
    await t.rejects(provision('apply', client, ...at.slice(0, -1), '/opt/x; rm -rf y'), { code: 'usage_invalid' })
    await t.rejects(provision('apply', client, '--host', 'root@127.0.0.1', '--port', '9'), {
      code: 'machine_failed',
      message: /refused/,
    })
  },
)

t.test(
  'rotate changes file, role and containers together, and back when they do not come up',
  { skip: withoutSshd },
  async (t) => {
    const { folder, machine, client, secrets, at } = await stand(t)
    await provision('apply', client, ...at, '--secrets', secrets)
    const before = secretsOf(machine)
    t.match(await provision('rotate', client, ...at, '--secret', 'postgres-password'), 'Changed postgres-password.')
    const after = secretsOf(machine)
    t.not(after['postgres-password'], before['postgres-password'])
    t.equal(after['database-url'], `postgres://evothesis:${after['postgres-password']}@timescaledb:5432/evothesis`)
    t.equal(
      readFileSync(path.join(folder, 'sql'), 'utf8'),
      `alter role evothesis password '${after['postgres-password']}';\n`,
    )
    t.match(
      machine.asked().at(-1),
      /^compose up -d --force-recreate --no-deps --wait --wait-timeout 5 collect worker backup$/,
    )
    t.equal(statSync(path.join(machine.folder, 'secrets/database-url')).uid, 10_001)
    for (const name of Object.keys(before).filter((one) => !/^(postgres-password|database-url)$/.test(one)))
      t.equal(after[name], before[name], name)

    machine.answer(
      `case "$*" in *force-recreate*) if [ ! -f ${folder}/failed ]; then touch ${folder}/failed; exit 1; fi ;; esac`,
    )
    await t.rejects(provision('rotate', client, ...at, '--secret', 'admin-token'), {
      code: 'machine_failed',
      message: /changing it back/,
    })
    t.equal(secretsOf(machine)['admin-token'], after['admin-token'])
    machine.answer('')
    for (const [name, message] of [
      ['hash-key', /never changed/],
      ['database-url', /follows postgres-password/],
    ] as const)
      await t.rejects(provision('rotate', client, ...at, '--secret', name), { code: 'machine_failed', message })
    await t.rejects(provision('rotate', client, ...at, '--secret', 'tls'), {
      code: 'usage_invalid',
      message: /--from FOLDER/,
    })
    makeCertificate(secrets, 'events.clinic.example')
    await provision('rotate', client, ...at, '--secret', 'tls', '--from', secrets)
    for (const [given, taken] of [
      ['tls-key', 'privkey.pem'],
      ['tls-certificate', 'fullchain.pem'],
    ] as const)
      t.equal(
        readFileSync(path.join(machine.folder, 'certificates', taken), 'utf8').trim(),
        readFileSync(path.join(secrets, given), 'utf8').trim(),
      )
    t.notOk(
      machine.asked().some((line) => Object.values(secretsOf(machine)).some((value) => line.includes(value))),
      'no secret on a command line',
    )
  },
)

t.test('gates of an upgrade', async (t) => {
  const next: Release = {
    ...loadRelease('0.1.0'),
    version: '0.3.0',
    from: ['0.2.0'],
    gates: [{ name: 'read-notes', text: 'Read them.' }],
  }
  t.match(gateOf('0.1.0', next, []), /from 0\.2\.0 only; the machine runs 0\.1\.0/)
  t.match(gateOf('0.3.0', next, []), 'already')
  t.match(gateOf('0.2.0', next, []), /--confirm read-notes {3}Read them\./)
  t.equal(gateOf('0.2.0', next, ['read-notes']), undefined)
})

t.test(
  'an upgrade backs up and drills first, and goes back when the new containers do not come up',
  { skip: withoutSshd },
  async (t) => {
    const { folder, machine, client, at, ssh } = await stand(t, clientTexts.small)
    await provision('apply', client, ...at)
    const before = readFileSync(path.join(machine.folder, 'compose.yaml'), 'utf8')
    await t.rejects(provision('upgrade', client, ...at), { code: 'conflict', message: /runs 0\.1\.0 already/ })
    // A release that is not among ours: the next one.
    const now = loadRelease('0.1.0')
    const next: Release = {
      ...now,
      version: '0.2.0',
      from: ['0.1.0'],
      images: { ...now.images, app: 'evothesis/evothesis:0.2.0' },
    }
    const appliance = { ...readAppliance(client), release: next, files: render(readAppliance(client).client, next) }
    writeFolder(applianceFolder(client), appliance.files)
    const asked = machine.asked().length
    machine.answer(`case "$*" in "compose up"*) if grep -q evothesis:0.2.0 compose.yaml; then exit 1; fi ;; esac`)
    await t.rejects(upgrade(ssh, client, appliance, { confirmed: [] }), {
      code: 'machine_failed',
      message: /The machine runs 0\.1\.0 again/,
    })
    t.equal(readFileSync(path.join(machine.folder, 'compose.yaml'), 'utf8'), before, 'the old files are back')
    const did = machine.asked().slice(asked)
    t.match(did[0], /backup --json$/)
    t.match(did[1], / drill$/)
    t.ok(did.filter((line) => line.startsWith('compose up')).length === 2)

    machine.answer('')
    t.strictSame((await upgrade(ssh, client, appliance, { confirmed: [] })).to, '0.2.0')
    t.match(readFileSync(path.join(machine.folder, 'compose.yaml'), 'utf8'), 'evothesis:0.2.0')
    t.notOk(existsSync(path.join(machine.folder, 'previous')))

    machine.answer('case "$*" in *drill*) exit 1 ;; esac')
    const newer = { ...appliance, release: { ...next, version: '0.3.0', from: ['0.2.0'] } }
    newer.files = render(newer.client, newer.release)
    writeFolder(applianceFolder(client), newer.files)
    const count = machine.asked().length
    await t.rejects(upgrade(ssh, client, newer, { confirmed: [] }), { code: 'machine_failed' })
    t.notOk(
      machine
        .asked()
        .slice(count)
        .some((line) => line.startsWith('compose up')),
      'nothing is started on an unproven backup',
    )
    t.comment(folder)
  },
)

t.test(
  'offboarding: everything is delivered and proven, bundled, then removed, with a record',
  { skip: withoutSshd },
  async (t) => {
    const { folder, machine, client, at } = await stand(t, clientTexts.small)
    await provision('apply', client, ...at)
    const out = path.join(folder, 'bundle.tar')
    const count = machine.asked().length
    t.match(
      await provision('offboard', client, ...at, '--out', out),
      /sha256 [0-9a-f]{64}\. The machine is stopped, and still holds its data/,
    )
    const did = machine.asked().slice(count).join('\n')
    for (const step of [
      'compose stop nginx',
      'export run',
      'export verify',
      'backup node /app/dist/bin/evothesis.js backup',
      'save -o images.tar',
    ])
      t.match(did, step)
    const listed = execFileSync('tar', ['-tf', out], { encoding: 'utf8' })
    for (const name of ['./compose.yaml', './secrets/hash-key', './images.tar', './start.sh', './README.md'])
      t.match(listed, name)
    for (const [volume, service] of [
      ['data', 'backup'],
      ['database', 'timescaledb'],
    ])
      t.equal(
        execFileSync('tar', ['-xOf', out, `./volumes/${volume}.tar`], { encoding: 'utf8' }),
        `volume of ${service}\n`,
        'the data itself: what no bucket has would be gone',
      )
    t.notOk(existsSync(path.join(machine.folder, 'volumes')), 'the machine keeps no second copy')
    t.equal(statSync(out).mode & 0o777, 0o600)
    await t.rejects(provision('offboard', client, ...at, '--out', out), { code: 'conflict' })

    const second = path.join(folder, 'second.tar')
    const stopped = machine.asked().length
    await t.rejects(provision('offboard', client, ...at, '--out', second, '--delete', 'somebody'), {
      code: 'conflict',
      message: /name of the client/,
    })
    t.notOk(existsSync(second))
    t.notOk(machine.asked().slice(stopped).includes('compose stop nginx'), 'and nothing was stopped')
    await provision('offboard', client, ...at, '--out', path.join(folder, 'third.tar'), '--delete', 'corner-shop')
    t.notOk(existsSync(machine.folder))
    const record = JSON.parse(readFileSync(path.join(folder, 'third.tar.deletion.json'), 'utf8'))
    t.match(record, {
      client: 'corner-shop',
      deleted: { volumes: 'data database' },
      bundle: { sha256: /^[0-9a-f]{64}$/ },
    })
    t.match(machine.asked().at(-1), 'compose down --volumes')
  },
)

t.test(
  'a connection that is cut leaves no half a secret, whether it is given or rotated',
  { skip: withoutSshd },
  async (t) => {
    const { folder, machine, client, secrets, at, ssh } = await stand(t)
    const appliance = readAppliance(client)
    const given = readdirSync(secrets).sort()
    const cut = cutOff(ssh, folder, 'client-s3-secret-key')
    await t.rejects(bring(cut, client, { secrets }, given), {
      code: 'machine_failed',
      message: /only a part of client-s3-secret-key arrived/,
    })
    t.notOk(existsSync(path.join(machine.folder, 'secrets/client-s3-secret-key')))
    await provision('apply', client, ...at, '--secrets', secrets)
    t.equal(secretsOf(machine)['client-s3-secret-key'], 'given client-s3-secret-key', 'another try brings it')
    writeFileSync(path.join(secrets, 'client-s3-secret-key'), 'a new one of more letters')
    await t.rejects(rotate(cut, appliance.client, 'client-s3-secret-key', secrets), {
      message: /only a part of client-s3-secret-key arrived; nothing was changed/,
    })
    t.equal(secretsOf(machine)['client-s3-secret-key'], 'given client-s3-secret-key')
    await rotate(ssh, appliance.client, 'client-s3-secret-key', secrets)
    t.equal(secretsOf(machine)['client-s3-secret-key'], 'a new one of more letters')
    writeFileSync(path.join(secrets, 'client-s3-secret-key'), '\n')
    await t.rejects(apply(ssh, client, appliance, { secrets }), { code: 'usage_invalid', message: /is empty/ })
  },
)

t.test(
  'a rotation that fails half way changes nothing: neither a role that is away, nor a full disk',
  { skip: withoutSshd },
  async (t) => {
    const { machine, client, at } = await stand(t, clientTexts.small)
    await provision('apply', client, ...at)
    const before = secretsOf(machine)
    machine.answer('case "$*" in *psql*) exit 1 ;; esac')
    await t.rejects(provision('rotate', client, ...at, '--secret', 'postgres-password'), { code: 'machine_failed' })
    t.strictSame(secretsOf(machine), before, 'the role kept its password, so the files keep it')

    machine.answer('')
    // A file system of one page, which is full: what is written there fails, as on a full disk.
    const place = path.join(machine.folder, 'secrets')
    const kept = path.join(machine.folder, 'kept')
    execFileSync('bash', ['-c', `cp -a '${place}' '${kept}'; mount -t tmpfs -o size=64k,nr_inodes=64 none '${place}'`])
    t.teardown(() => execFileSync('umount', [place]))
    execFileSync('bash', [
      '-c',
      `cp -a '${kept}/.' '${place}/'; dd if=/dev/zero of='${place}/filler' 2>/dev/null; true`,
    ])
    await t.rejects(provision('rotate', client, ...at, '--secret', 'admin-token'), { code: 'machine_failed' })
    const { filler: _, ...after } = secretsOf(machine)
    t.strictSame(after, before)
  },
)

t.test('whatever is done, it is done to the machine of this client', { skip: withoutSshd }, async (t) => {
  const { folder, machine, client, at } = await stand(t, clientTexts.small)
  await provision('apply', client, ...at)
  const other = path.join(folder, 'other')
  mkdirSync(other)
  writeFileSync(path.join(other, 'client.yaml'), clientTexts.small.replace('corner-shop\n', 'other-shop\n'))
  await provision('render', other)
  const asked = machine.asked().length
  const before = secretsOf(machine)
  const refused = { code: 'conflict', message: /is n1 of corner-shop, not n1 of other-shop/ }
  const out = path.join(folder, 'other.tar')
  await t.rejects(provision('rotate', other, ...at, '--secret', 'admin-token'), refused)
  await t.rejects(provision('offboard', other, ...at, '--out', out), refused)
  await t.rejects(provision('offboard', other, ...at, '--out', out, '--delete', 'other-shop'), refused)
  await t.rejects(provision('upgrade', other, ...at), refused)
  t.strictSame(machine.asked().slice(asked), [], 'nothing was asked of its containers')
  t.strictSame(secretsOf(machine), before)
  t.notOk(existsSync(out))
})

t.test('an upgrade that was cut off is gone on with, or gone back from', { skip: withoutSshd }, async (t) => {
  const { machine, client, at, ssh } = await stand(t, clientTexts.small)
  await provision('apply', client, ...at)
  const before = readFileSync(path.join(machine.folder, 'compose.yaml'), 'utf8')
  const now = loadRelease('0.1.0')
  const images = { ...now.images, app: 'evothesis/evothesis:0.2.0' }
  const next: Release = { ...now, version: '0.2.0', from: ['0.1.0'], breaking: true, images }
  const appliance = { ...readAppliance(client), release: next, files: render(readAppliance(client).client, next) }
  writeFolder(applianceFolder(client), appliance.files)
  // The operator's machine is gone once the files are there.
  const gone: Machine = {
    ...ssh,
    run: (command, options) =>
      command.includes('start.sh') || command.includes('rsync -a --delete')
        ? Promise.reject(new Error('the connection was cut'))
        : ssh.run(command, options),
  }
  await t.rejects(upgrade(gone, client, appliance, { confirmed: [] }), { code: 'machine_failed' })
  const files = () => readFileSync(path.join(machine.folder, 'compose.yaml'), 'utf8')
  t.match(files(), 'evothesis:0.2.0', 'the new files are there, and nothing of them runs')
  t.equal(readFileSync(path.join(machine.folder, 'previous/compose.yaml'), 'utf8'), before)
  await t.rejects(apply(ssh, client, appliance, {}), { code: 'conflict', message: /from 0\.1\.0 did not end/ })

  const asked = machine.asked().length
  const done = await upgrade(ssh, client, appliance, { confirmed: [] })
  t.match(done, { from: '0.1.0', to: '0.2.0' })
  t.notOk(
    machine
      .asked()
      .slice(asked)
      .some((line) => / (backup --json|drill)$/.test(line)),
    'its backup is the one from before',
  )
  t.notOk(existsSync(path.join(machine.folder, 'previous')))

  // The other way: cut off again, and back to the release that ran.
  writeFolder(applianceFolder(client), readAppliance(client).files)
  const back = { ...now, from: ['0.2.0'] }
  const older = { ...readAppliance(client), release: back }
  await t.rejects(upgrade(gone, client, older, { confirmed: [] }), { code: 'machine_failed' })
  writeFolder(applianceFolder(client), appliance.files)
  await apply(ssh, client, appliance, {})
  t.match(files(), 'evothesis:0.2.0')
  t.notOk(existsSync(path.join(machine.folder, 'previous')))
})

t.test(
  'offboarding that fails starts everything again, and leaves no half a bundle',
  { skip: withoutSshd },
  async (t) => {
    const { folder, machine, client, at } = await stand(t, clientTexts.small)
    await provision('apply', client, ...at)
    machine.answer('case "$*" in *"export run") echo "the bucket refuses" >&2; exit 1 ;; esac')
    const out = path.join(folder, 'bundle.tar')
    await t.rejects(provision('offboard', client, ...at, '--out', out, '--delete', 'corner-shop'), {
      code: 'machine_failed',
      message: /the bucket refuses[\s\S]*everything starts again/,
    })
    t.equal(machine.asked().at(-1), 'compose start')
    t.strictSame(
      readdirSync(folder).filter((name) => name.startsWith('bundle')),
      [],
    )
    t.ok(existsSync(path.join(machine.folder, 'secrets/hash-key')), 'and nothing is deleted')
  },
)

t.test('a bundle is resumed on another machine, once', { skip: withoutSshd }, async (t) => {
  const { folder, machine, client, at } = await stand(t, clientTexts.small)
  await provision('apply', client, ...at)
  const out = path.join(folder, 'bundle.tar')
  await provision('offboard', client, ...at, '--out', out)
  const elsewhere = path.join(folder, 'elsewhere')
  mkdirSync(elsewhere)
  execFileSync('tar', ['-xf', out, '-C', elsewhere])
  const PATH = `${folder}/bin:${process.env.PATH}`
  const resume = () =>
    execFileSync(path.join(elsewhere, 'offboard.sh'), ['resume'], { env: { PATH }, encoding: 'utf8', stdio: 'pipe' })
  t.throws(resume, /evothesis_data is there already/, 'data that is there is not touched')
  machine.answer('case "$*" in "volume inspect"*) exit 1 ;; esac')
  resume()
  t.equal(readFileSync(path.join(folder, 'unpacked'), 'utf8'), 'volume of backup\nvolume of timescaledb\n')
  t.match(machine.asked().at(-1), /^compose up -d/)
})

t.test('two at once: the second waits for the first', { skip: withoutSshd }, async (t) => {
  const { folder, machine, client, at } = await stand(t, clientTexts.small)
  await provision('apply', client, ...at)
  machine.answer(
    `case "$*" in "compose up"*) mkdir ${folder}/up || touch ${folder}/twice; sleep 1; rmdir ${folder}/up ;; esac`,
  )
  await Promise.all([
    provision('apply', client, ...at),
    provision('apply', client, ...at),
    provision('rotate', client, ...at, '--secret', 'admin-token'),
  ])
  t.notOk(existsSync(path.join(folder, 'twice')))
})

t.test('a certificate is refused where nginx would not start with it, or nobody trust it', async (t) => {
  const folder = await tempFolder(t)
  const read = (name: string) => readFileSync(path.join(folder, name), 'utf8')
  makeCertificate(folder, 'events.clinic.example')
  const pair = { certificate: read('tls-certificate'), key: read('tls-key') }
  t.equal(certificateProblem({ ...pair, domain: 'events.clinic.example' }), undefined)
  t.match(certificateProblem({ ...pair, domain: 'events.shop.example' }), /not for events\.shop\.example/)
  t.match(certificateProblem({ ...pair, key: pair.certificate, domain: 'x' }), /cannot be read as PEM/)
  makeCertificate(folder, 'events.clinic.example')
  t.match(certificateProblem({ ...pair, key: read('tls-key'), domain: 'events.clinic.example' }), /is not the key/)
})
