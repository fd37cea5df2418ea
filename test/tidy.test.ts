import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { errorCodes } from '../src/errors.ts'
import { renderManifestSchema } from '../src/storage/manifest-json-schema.ts'

/** The rules of the house that a test can hold. */
const root = fileURLToPath(new URL('../', import.meta.url))
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')
const filesBelow = (folder: string, ending: string): string[] =>
  existsSync(path.join(root, folder))
    ? readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith(ending) && !file.includes('node_modules'))
        .map((file) => path.join(folder, file))
    : []

const sources = filesBelow('src', '.ts')
const importsOf = (file: string): string[] =>
  [...read(file).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '')
/** The room of a source file: a folder of src, or `core` for what stands directly in src, and for the storage below it. */
const roomOf = (file: string): string => {
  const steps = path.relative('src', file).split(path.sep)
  return steps.length === 1 || steps[0] === 'storage' ? 'core' : (steps[0] ?? '')
}
const targetOf = (file: string, imported: string): string => path.join(path.dirname(file), imported)

t.test('imports go bin → room → core → npm, and rooms never import each other', (t) => {
  for (const file of sources)
    for (const imported of importsOf(file).filter((one) => one.startsWith('.'))) {
      const from = roomOf(file)
      const to = roomOf(targetOf(file, imported))
      const allowed = from === 'bin' || to === from || to === 'core'
      if (!allowed) t.fail(`${file} imports ${imported}`)
    }
  t.pass('all imports follow the rule')
  t.end()
})

t.test('no imports in a circle', (t) => {
  const graph = new Map(
    sources.map((file) => [
      file,
      importsOf(file)
        .filter((one) => one.startsWith('.'))
        .map((one) => targetOf(file, one)),
    ]),
  )
  const done = new Set<string>()
  const visit = (file: string, trail: string[]): void => {
    if (trail.includes(file)) t.fail([...trail.slice(trail.indexOf(file)), file].join(' → '))
    else if (!done.has(file)) {
      for (const next of graph.get(file) ?? []) visit(next, [...trail, file])
      done.add(file)
    }
  }
  for (const file of sources) visit(file, [])
  t.pass('no circle')
  t.end()
})

t.test('only db.ts imports pg, and only config.ts reads the environment', (t) => {
  for (const file of sources) {
    const packages = importsOf(file)
    if (packages.some((one) => one === 'pg' || one === 'pg-copy-streams') && file !== 'src/db.ts')
      t.fail(`${file} imports pg`)
    if (/process\.env\b/.test(read(file)) && file !== 'src/config.ts') t.fail(`${file} reads process.env`)
  }
  t.pass('one place each')
  t.end()
})

t.test('no source file is dead', (t) => {
  const reached = new Set<string>()
  // What a program starts: the command, DuckDB's process, printers of documents, history for tests and benchmarks.
  const entries = [
    'bin/evothesis.ts',
    'storage/duckdb-child.ts',
    'env-example.ts',
    'demo/insert.ts',
    'storage/manifest-json-schema.ts',
    'provisioning/client-manual.ts',
    'provisioning/render-development.ts',
  ].map((file) => path.join('src', file))
  const visit = (file: string): void => {
    if (reached.has(file) || !existsSync(path.join(root, file))) return
    reached.add(file)
    for (const imported of importsOf(file)) if (imported.startsWith('.')) visit(targetOf(file, imported))
  }
  for (const entry of entries) visit(entry)
  t.strictSame(
    sources.filter((file) => !reached.has(file)),
    [],
  )
  t.end()
})

t.test('no file has a name that says nothing, and composition roots are short', (t) => {
  const empty = /(^|\/)(utils?|helpers?|common|lib|manager)(\/|\.ts$)/
  t.strictSame(
    sources.filter((file) => empty.test(file)),
    [],
  )
  // The table of commands is as long as there are commands.
  for (const file of sources.filter((one) => one.startsWith('src/bin/') && !one.endsWith('/commands.ts')))
    t.ok(read(file).split('\n').length <= 75, `${file} is a short composition root`)
  t.end()
})

t.test('no marks of unfinished work on the main line', (t) => {
  for (const file of [...sources, ...filesBelow('appliance', '.sql')])
    if (/\b(TODO|FIXME|XXX|HACK)\b/.test(read(file))) t.fail(file)
  t.pass('none')
  t.end()
})

t.test('docs/errors.md and the list of error codes agree', (t) => {
  const documented = [...read('docs/errors.md').matchAll(/^\| `(\w+)` \| (\d+) \| (.+?) \|/gm)].map((match) => [
    match[1],
    Number(match[2]),
    match[3],
  ])
  const listed = Object.entries(errorCodes).map(([code, [status, meaning]]) => [code, status, meaning])
  t.strictSame(documented, listed)
  t.end()
})

t.test('docs/manifest.schema.json is the schema that manifests are checked by', (t) => {
  t.strictSame(JSON.parse(read('docs/manifest.schema.json')), JSON.parse(renderManifestSchema()))
  t.end()
})

t.test('every script of package.json is in the README, and exact versions only', (t) => {
  const manifest = JSON.parse(read('package.json')) as {
    scripts: Record<string, string>
    dependencies: Record<string, string>
    devDependencies: Record<string, string>
  }
  const internal = ['prestart', 'pretest', 'prepare', 'build']
  for (const script of Object.keys(manifest.scripts).filter((one) => !internal.includes(one)))
    t.match(read('README.md'), new RegExp(`npm (run )?${script}\\b`), script)
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }))
    t.match(version, /^\d+\.\d+\.\d+/, name)
  t.end()
})

t.test('the lockfile has the optional packages of every platform, so that npm ci takes it anywhere', (t) => {
  type Locked = { optionalDependencies?: Record<string, string>; resolved?: string }
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
  for (const [place, owner] of Object.entries(packages)) {
    for (const name of Object.keys(owner.optionalDependencies ?? {}))
      if (!packages[`${place}/node_modules/${name}`] && !packages[`node_modules/${name}`])
        t.fail(`${name} is missing: run node .ci/complete-lockfile.js`)
    if (owner.resolved !== undefined) t.fail(`${place} names a registry`)
  }
  t.pass('complete')
  t.end()
})

t.test('migrations are numbered, each number once', (t) => {
  const names = readdirSync(path.join(root, 'appliance/migrations')).sort()
  const numbers = names.map((name) => /^(\d{3})_\w+\.sql$/.exec(name)?.[1])
  t.equal(new Set(numbers).size, names.length)
  t.ok(numbers.every(Boolean))
  t.end()
})

t.test('the program says how it is used', (t) => {
  const program = path.join(root, 'src/bin/evothesis.ts')
  for (const command of [[], ['export'], ['demo', 'traffic']]) {
    const help = execFileSync(process.execPath, ['--import', 'tsx', program, ...command, '--help'], {
      encoding: 'utf8',
      cwd: root,
    })
    t.match(help, 'Usage: ')
  }
  t.end()
})
