import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { type BuildOptions, build } from 'esbuild'
import { z } from 'zod'
import { inlineConstants } from './inline-constants.ts'
import { pixelBatch } from './payload.ts'
import { renderPayloadTypes } from './payload-types.ts'
import { pixelVersion } from './version.ts'

const here = import.meta.dirname
const root = path.join(here, '..')
/** What the server serves, address by address. */
const served = path.join(root, 'dist/static')
/** What it does not: source maps, and the module build with its types. */
const beside = path.join(root, 'dist/tracking')

/** Names of properties that never leave the pixel, so that they may be shortened. */
const privateProperties = /^(busy|kept|head|lines|leasedMs)$/

const options: BuildOptions = {
  bundle: true,
  minify: true,
  target: 'es2020',
  plugins: [inlineConstants],
  mangleProps: privateProperties,
  // Without the project's tsconfig, whose strict mode would add a directive.
  tsconfigRaw: {},
  write: false,
}

export type BuiltFile = { name: string; bytes: number; gzipBytes: number; brotliBytes: number; integrity: string }

/** One static script. Its source map is kept beside: it is no part of the file, whose hash clients pin. */
export const buildScript = async (entry: string, name: string): Promise<Uint8Array> => {
  const outfile = path.join(beside, name)
  const result = await build({ ...options, entryPoints: [path.join(here, entry)], outfile, sourcemap: 'external' })
  const script = result.outputFiles?.find((file) => file.path.endsWith('.js'))
  const map = result.outputFiles?.find((file) => file.path.endsWith('.map'))
  if (!script || !map) throw new Error(`esbuild wrote no ${name}`)
  write(path.join(beside, `${name}.map`), map.contents)
  return script.contents
}

/** Sizes as they travel, and the hash for `integrity`. */
export const describeFile = (name: string, contents: Uint8Array): BuiltFile => ({
  name,
  bytes: contents.length,
  gzipBytes: gzipSync(contents, { level: 9 }).length,
  brotliBytes: brotliCompressSync(contents).length,
  integrity: `sha384-${createHash('sha384').update(contents).digest('base64')}`,
})

/** Builds everything into `dist/`: the scripts under both addresses, the module with its types, the demo shop. */
export const buildAll = async (): Promise<BuiltFile[]> => {
  rmSync(served, { recursive: true, force: true })
  const files: BuiltFile[] = []
  for (const [entry, name] of scripts) {
    const contents = await buildScript(entry, name)
    for (const folder of ['js', `js/v${pixelVersion}`]) write(path.join(served, folder, name), contents)
    files.push(describeFile(name, contents))
  }
  write(path.join(served, 'js/versions.json'), JSON.stringify({ version: pixelVersion, files }, undefined, 2))
  write(path.join(served, 'js/payload.schema.json'), JSON.stringify(z.toJSONSchema(pixelBatch), undefined, 2))
  await buildModule()
  cpSync(path.join(here, 'demo/files'), path.join(served, 'demo'), { recursive: true })
  for (const [name, page] of shopPages()) write(path.join(served, 'demo', name), page)
  write(path.join(served, 'demo/shop.js'), await buildScript('demo/shop.ts', 'shop.js'))
  return files
}

const scripts = [
  ['pixel/script.ts', 'tracking.js'],
  ['pixel/web-vitals.ts', 'web-vitals.js'],
  ['banner/banner.ts', 'consent-banner.js'],
] as const

/** Every page of the demo shop in its frame; the first line of a page is its title. */
const shopPages = (): [name: string, page: string][] => {
  const layout = readFileSync(path.join(here, 'demo/layout.html'), 'utf8')
  return readdirSync(path.join(here, 'demo/pages')).map((name) => {
    const body = readFileSync(path.join(here, 'demo/pages', name), 'utf8')
    const title = /^<!-- (.+) -->/.exec(body)?.[1] ?? name
    return [name, layout.replace('{{title}}', () => title).replace('{{body}}', () => body)]
  })
}

const buildModule = async (): Promise<void> => {
  const entryPoints = [path.join(here, 'pixel/module.ts')]
  const result = await build({ ...options, entryPoints, format: 'esm' })
  write(path.join(beside, 'module/evothesis.js'), result.outputFiles?.[0]?.contents ?? new Uint8Array())
  const description = {
    ...{ name: 'evothesis-pixel', version: pixelVersion, license: 'MIT', type: 'module' },
    exports: { '.': { types: './evothesis.d.ts', default: './evothesis.js' } },
  }
  write(path.join(beside, 'module/package.json'), JSON.stringify(description, undefined, 2))
  const types = readFileSync(path.join(here, 'pixel/types.ts'), 'utf8')
  write(path.join(beside, 'module/evothesis.d.ts'), [types, renderPayloadTypes(), moduleTypes].join('\n'))
}

const moduleTypes = `/** Starts the pixel once; \`endpoint\` is the address of your collector. */
export declare const init: (options: Options) => Evothesis
export declare const evothesis: Evothesis
`

const write = (file: string, contents: Uint8Array | string): void => {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, contents)
}

if (process.argv[1] === import.meta.filename)
  for (const { name, bytes, gzipBytes, brotliBytes, integrity } of await buildAll())
    console.log(`${name}: ${bytes} bytes, gzip ${gzipBytes}, brotli ${brotliBytes}\n  ${integrity}`)
