// Runs tap, shows a line per file and every failure whole, and ends with "N passed, N failed".
//   node test/run.js [tap's arguments]
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { createInterface } from 'node:readline'

const tap = path.join(path.dirname(createRequire(import.meta.url).resolve('tap/package.json')), 'dist/esm/run.mjs')
// A fresh install has tap's default plugins; the first run after it would still load the one that .taprc leaves out.
const classFile = path.join(path.dirname(tap), '../../../@tapjs/test/test-built/dist/esm/index.js')
const isBuilt = existsSync(classFile) && !readFileSync(classFile, 'utf8').includes('@tapjs/typescript')
if (!isBuilt) {
  const built = spawnSync(process.execPath, [tap, 'build'], { encoding: 'utf8' })
  if (built.status !== 0) process.stderr.write(`${built.stdout}${built.stderr}`)
}
// At full figures a file takes as long as it takes.
const limits = process.env.STORM === '1' ? ['--timeout=14400'] : []
const child = spawn(process.execPath, [tap, '--reporter=tap', ...limits, ...process.argv.slice(2)], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
let passed = 0
let failed = 0
let skipped = 0
let showing = false
for await (const line of createInterface({ input: child.stdout })) {
  const depth = line.length - line.trimStart().length
  const result = /^\s*(not )?ok \d+ (.*)$/.exec(line)
  if (result) {
    showing = Boolean(result[1])
    const [, not, text = ''] = result
    // Two levels down from a file are its assertions; a file and its subtests sum them up.
    const isSummary = /# time=/.test(text)
    if (!isSummary && /# SKIP/i.test(text)) skipped++
    else if (!isSummary) not ? failed++ : passed++
    if (not || depth === 0 || /# SKIP/i.test(text)) process.stdout.write(`${line}\n`)
  } else if (showing || /^\s*# (SEED|.*\d.*(events|parts|kills|MB|ms))/.test(line)) process.stdout.write(`${line}\n`)
}
const code = await new Promise((resolve) => {
  if (child.exitCode !== null) resolve(child.exitCode)
  else child.once('exit', (status) => resolve(status ?? 1))
})
// A file that dies, or times out, fails without an assertion of its own.
if (code !== 0 && failed === 0) failed = 1
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
process.exit(code === 0 && failed === 0 ? 0 : 1)
