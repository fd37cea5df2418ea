import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { tempFolder } from '../support/exporter.ts'

const root = path.join(import.meta.dirname, '../..')
const program = path.join(root, 'dist/bin/evothesis.js')
const built = existsSync(program)

t.test(
  'a new user comes from nothing to a validated appliance by the commands of the README',
  { skip: !built && 'dist is not built' },
  async (t) => {
    const section = readFileSync(path.join(root, 'README.md'), 'utf8').split('## A machine per client')[1] ?? ''
    const commands = (/```sh\n([\s\S]*?)```/.exec(section)?.[1] ?? '').trim().split('\n')
    t.ok(commands.length <= 6, `${commands.length} commands`)
    t.equal(commands[0], 'npm ci')

    // An empty folder in which npx finds the program; in the checkout itself it would be built again before each command.
    const folder = await tempFolder(t)
    mkdirSync(path.join(folder, 'node_modules/.bin'), { recursive: true })
    chmodSync(program, 0o755)
    symlinkSync(program, path.join(folder, 'node_modules/.bin/evothesis'))
    const { PATH, HOME } = process.env
    const options = { cwd: folder, encoding: 'utf8', env: { PATH, HOME } } as const
    let said = ''
    for (const command of commands.slice(1)) said = execFileSync('bash', ['-c', command], { ...options, stdio: 'pipe' })
    t.match(said, /^acme at events\.acme\.example, release \d+\.\d+\.\d+: \d+ files, no problem\.\n$/)
    const appliance = path.join(folder, 'clients/acme/appliance')
    for (const name of [
      'compose.yaml',
      'nginx/nginx.conf',
      'cloud-init.yaml',
      'dns.txt',
      'pixel.html',
      'README.md',
      'manifest.json',
    ])
      t.ok(existsSync(path.join(appliance, name)), name)
    const key = readFileSync(path.join(folder, 'operator.key'), 'utf8')
    t.notMatch(readFileSync(path.join(folder, 'clients/acme/client.yaml'), 'utf8'), /AGE-SECRET-KEY/)
    t.match(key, /AGE-SECRET-KEY-1/)

    // The same commands again destroy nothing.
    for (const command of commands.slice(1, 4))
      t.throws(() => execFileSync('bash', ['-c', command], { ...options, stdio: 'ignore' }))
    t.equal(readFileSync(path.join(folder, 'operator.key'), 'utf8'), key)
  },
)
