import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openNarrator } from '../../../src/agents/narrate/open-narrator.ts'
import { systemClock as clock } from '../../../src/clock.ts'
import { loadConfig } from '../../../src/config.ts'
import { silentLog as log } from '../../../src/log.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Loads what a worker and `evothesis notes` load, and asks for a text; any load of the SDK is an error. */
const narrateInChild = (agents: 'on' | 'off') => {
  const hook = `export const resolve = (name, context, next) => {
    if (name.startsWith('@anthropic-ai/') || name.startsWith('@opentelemetry/')) throw new Error('loaded ' + name)
    return next(name, context)
  }`
  const program = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}))
    globalThis.fetch = () => { throw new Error('sent something') }
    await import('./src/bin/worker-services.ts')
    await import('./src/bin/notes.ts')
    const { openNarrator } = await import('./src/agents/narrate/open-narrator.ts')
    const { loadConfig } = await import('./src/config.ts')
    const log = { debug() {}, info() {}, warn() {}, error: (fields) => console.log(JSON.stringify(fields)) }
    const config = loadConfig({ AGENTS: '${agents}', ANTHROPIC_API_KEY: 'sk-0123456789' }, '/nowhere/.env')
    const db = new Proxy({}, { get() { throw new Error('asked the database') } })
    const narrate = openNarrator({ db, config, log, clock: { now: () => 0 } })('nightly')
    const plain = { source: 'plain', paragraphs: [] }
    const answers = await narrate([{ noteId: 'a', subject: 'day', facts: [], plain }])
    console.log(answers.get('a') === plain)
  `
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import=tsx', '--input-type=module', '-e', program],
    {
      encoding: 'utf8',
      cwd: path.resolve(root),
      env: { PATH: process.env.PATH },
    },
  )
  return { stdout, stderr, status }
}

t.test('AGENTS=off makes no client: neither the SDK nor the tracing is loaded, and no request is sent', (t) => {
  t.match(narrateInChild('off'), { status: 0, stdout: 'true\n' })
  t.match(
    narrateInChild('on'),
    { status: 0, stdout: /loaded @(anthropic-ai|opentelemetry)\/.*\n"?.*true/s },
    'the hook sees a load',
  )
  t.end()
})

t.test('AGENTS=on needs a key of its own, and finds none elsewhere', (t) => {
  const open = (env: NodeJS.ProcessEnv) =>
    openNarrator({ db: {} as never, clock, log, config: loadConfig(env, '/nowhere/.env') })
  t.throws(() => open({ AGENTS: 'on' }), { code: 'setting_invalid', message: /ANTHROPIC_API_KEY is not set/ })
  t.throws(() => open({ AGENTS: 'on', ANTHROPIC_AUTH_TOKEN: 'x' }), { code: 'setting_invalid' })
  t.doesNotThrow(() => open({ AGENTS: 'off' }))
  t.doesNotThrow(() => open({ AGENTS: 'on', ANTHROPIC_API_KEY: 'sk-0123456789' }))
  t.end()
})
