// What a container's healthcheck asks, in one word, because engines differ in how they take a command with quotes.
//   healthcheck.js           whether the process answers on its port
//   healthcheck.js FILE      whether FILE was touched in the last five minutes, by a process that has no port
import { statSync } from 'node:fs'

const [file] = process.argv.slice(2)
const fiveMinutesMs = 300_000

const answers = async () => (await fetch('http://127.0.0.1:8000/health', { signal: AbortSignal.timeout(8_000) })).ok
const isFresh = async () => Date.now() - statSync(file).mtimeMs < fiveMinutesMs

const isWell = await (file === undefined ? answers() : isFresh()).catch(() => false)
process.exit(isWell ? 0 : 1)
