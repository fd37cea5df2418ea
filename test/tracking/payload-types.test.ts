import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { renderPayloadTypes } from '../../tracking/payload-types.ts'

const root = path.join(import.meta.dirname, '../..')
const fixtures = path.join(root, 'test/fixtures/payloads')

/** What the compiler says about a program beside the printed types, empty when it is right. In a folder where zod is found. */
const compile = (program: string): string => {
  const folder = mkdtempSync(path.join(root, 'node_modules/.payload-types-'))
  try {
    writeFileSync(path.join(folder, 'payload.d.ts'), renderPayloadTypes())
    writeFileSync(path.join(folder, 'program.ts'), program)
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
    const flags = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext', '--moduleResolution', 'bundler']
    const more = ['--target', 'es2022', '--allowImportingTsExtensions', '--types', 'node', '--ignoreConfig']
    // The test runner loads itself into every process that it sees; that is not for the compiler.
    execFileSync(
      'env',
      ['-u', 'NODE_OPTIONS', process.execPath, tsc, ...flags, ...more, path.join(folder, 'program.ts')],
      {
        ...{ encoding: 'utf8', stdio: 'pipe', cwd: root },
      },
    )
    return ''
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    return `${stdout}${stderr}` || 'failed without a word'
  } finally {
    rmSync(folder, { recursive: true })
  }
}

t.test('the types of the payload are those of the schemas, in both directions', async (t) => {
  const schemas = path.join(root, 'tracking/payload.ts')
  const imports = `import type { PixelBatch, PixelEvent } from './payload'
import type { PixelBatch as Schema, PixelEvent as SchemaEvent } from '${schemas}'`
  t.equal(
    compile(`${imports}
      export const there = (batch: Schema): PixelBatch => batch
      export const back = (batch: PixelBatch): Schema => batch
      export const event = (one: SchemaEvent): PixelEvent => one
      export const same = (one: PixelEvent): SchemaEvent => one`),
    '',
  )
  t.match(compile(`${imports}\nexport const wrong = (batch: PixelBatch): string => batch.sentAt.length`), /TS2322/)
})

t.test('every payload recorded from a browser is of that type, and others are not', async (t) => {
  const names = readdirSync(fixtures)
  const batches = names.map((name) => readFileSync(path.join(fixtures, name), 'utf8').trim())
  const imports = `import type { PixelBatch } from './payload'`
  t.equal(compile(`${imports}\nexport const batches: PixelBatch[] = [\n${batches.join(',\n')}]`), '')
  const [first = ''] = batches
  const wrong = {
    'a field more': ['"seq":', '"sequence": 1, "seq":'],
    'another kind': ['"seq": ', '"seq": true || '],
  } as const
  for (const [what, [from, to]] of Object.entries(wrong))
    t.match(compile(`${imports}\nexport const batch: PixelBatch = ${first.replace(from, to)}`), /TS\d+/, what)
  t.ok(names.length > 20, `${names.length} payloads`)
})
