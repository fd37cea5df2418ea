import { cpSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

const here = import.meta.dirname
/** Not `dist/console`: the compiled room is there. */
const out = path.join(here, '../dist/console-page')

/**
 * Builds the console's files: the page, its style, and its script in pieces, so that a drawing or a PDF is loaded by who
 * asks for one. Optional parts of jsPDF that are not used (rendering of HTML) are left out.
 */
export const buildConsole = async (): Promise<void> => {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })
  for (const file of ['index.html', 'style.css', 'icon.svg']) cpSync(path.join(here, file), path.join(out, file))
  await build({
    ...{ entryPoints: [path.join(here, 'app.ts')], outdir: out, entryNames: '[name]', chunkNames: 'piece-[hash]' },
    ...{ bundle: true, splitting: true, format: 'esm', minify: true, target: 'es2022', tsconfigRaw: {} },
    alias: { html2canvas: nothing, canvg: nothing, dompurify: nothing },
  })
}

const nothing = path.join(here, 'nothing.ts')

if (process.argv[1] === import.meta.filename) await buildConsole()
