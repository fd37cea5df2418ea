import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { buildScript, describeFile } from '../tracking/build.ts'
import { pixelVersion } from '../tracking/version.ts'
import { writeResult } from './support/result.ts'

/**
 * Prints what the pixel and other trackers weigh on the wire, as a Markdown table for docs/performance.md. The others come
 * from their npm packages, fetched into a temporary folder; it needs npm's registry and tar, and says so where they are not.
 *   node --import=tsx bench/pixel-sizes.ts
 */
const run = promisify(execFile)

type Tracker = {
  title: string
  name: string
  version: string
  /** The file in the package that a page loads, or its source. */
  file: string
  /** A source is minified, as its project does before it is served. */
  isSource?: true
}
const others: Tracker[] = [
  { title: 'Umami', name: 'umami', version: '2.10.0', file: 'src/tracker/index.js', isSource: true },
  { title: 'Plausible', name: '@plausible-analytics/tracker', version: '0.4.6', file: 'plausible.js' },
  { title: 'Snowplow', name: '@snowplow/browser-tracker', version: '4.10.1', file: 'dist/index.umd.min.js' },
  { title: 'PostHog', name: 'posthog-js', version: '1.449.2', file: 'dist/array.js' },
]
const fetchMsMax = 300_000
const outputBytesMax = 50_000_000

/** The file of a package as it would travel. */
const load = async (folder: string, { name, version, file, isSource }: Tracker): Promise<Uint8Array> => {
  const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder, `${name}@${version}`]
  const { stdout } = await run('npm', args, { timeout: fetchMsMax })
  const archive = path.join(folder, stdout.trim().split('\n').at(-1) ?? '')
  await run('tar', ['-xzf', archive, '-C', folder, `package/${file}`], { maxBuffer: outputBytesMax })
  const source = await readFile(path.join(folder, 'package', file))
  if (!isSource) return source
  const minified = await transform(source.toString(), { minify: true, format: 'iife', target: 'es2020' })
  return Buffer.from(minified.code)
}

const count = (bytes: number): string => bytes.toLocaleString('en-US')
const sizes: Record<string, { bytes: number; gzipBytes: number; brotliBytes: number }> = {}
const printRow = (title: string, contents: Uint8Array): void => {
  const { bytes, gzipBytes, brotliBytes } = describeFile(title, contents)
  sizes[title] = { bytes, gzipBytes, brotliBytes }
  console.log(`| ${title} | ${count(bytes)} | ${count(gzipBytes)} | ${count(brotliBytes)} |`)
}

console.log('| tracker | raw | gzip -9 | brotli |\n| --- | ---: | ---: | ---: |')
for (const [entry, name] of [
  ['pixel/script.ts', 'tracking.js'],
  ['pixel/web-vitals.ts', 'web-vitals.js'],
  ['banner/banner.ts', 'consent-banner.js'],
] as const)
  printRow(`Evothesis ${pixelVersion} \`${name}\``, await buildScript(entry, name))

const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-trackers-'))
try {
  for (const other of others) {
    const contents = await load(folder, other)
    printRow(
      `${other.title}: \`${other.name}\` ${other.version} \`${other.file}\`${other.isSource ? ', minified' : ''}`,
      contents,
    )
  }
} catch (error) {
  console.log(`\nThe others could not be fetched; this needs npm's registry and tar: ${(error as Error).message}`)
  process.exitCode = 1
} finally {
  writeResult('pixel-sizes', sizes)
  await rm(folder, { recursive: true, force: true })
}
