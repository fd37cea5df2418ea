import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { tempFolder } from '../support/exporter.ts'
import { collectOutput, exitOf, runProgram, startServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const evothesis = async (args: string[], env: NodeJS.ProcessEnv) => {
  const child = runProgram(args, env)
  const output = collectOutput(child)
  return { code: await exitOf(child), text: output() }
}
const exportedText = async (dataDir: string): Promise<string> => {
  const root = path.join(dataDir, 'exports')
  const files = (await readdir(root, { recursive: true })).filter((one) => one.endsWith('.json.gz'))
  return (
    await Promise.all(files.map(async (file) => gunzipSync(await readFile(path.join(root, file))).toString()))
  ).join('')
}

t.test('a person is given what is held of them, and forgotten, over HTTP and by command', async (t) => {
  const dataDir = await tempFolder(t)
  const server = await startServer(dataDir)
  t.teardown(() => server.process.kill('SIGKILL'))
  const env = { DATA_DIR: dataDir }
  const authorization = `Bearer ${server.adminToken}`
  const ask = (route: string, body: unknown, headers: Record<string, string> = { authorization }) =>
    fetch(`${server.address}${route}`, {
      ...{ method: 'POST', body: JSON.stringify(body) },
      headers: { 'content-type': 'application/json', ...headers },
    })
  const send = (event: object) => fetch(`${server.address}/collect`, { method: 'POST', body: JSON.stringify(event) })
  await send({ eventType: 'pageview', visitorId: 'anna', url: 'https://shop.example/' })
  await send({ eventType: 'consent', visitorId: 'anna', eventData: { state: 'granted' } })
  await send({ eventType: 'identify', visitorId: 'ben', userId: 'ben@mail.example', url: 'https://shop.example/' })
  await send({ eventType: 'pageview', visitorId: 'ben', url: 'https://shop.example/before' })
  t.match(await server.admin('POST', '/export/run?wait=true'), { status: 'done', events: 4 })

  t.equal((await ask('/privacy/forget', { visitor: 'anna' }, {})).status, 401)
  for (const wrong of [{}, { visitor: 'a', user: 'b' }, { visitor: '' }, { name: 'x' }, { visitor: 'x'.repeat(600) }])
    t.match(await (await ask('/privacy/forget', wrong)).json(), { status: 400, code: 'request_invalid' })
  t.equal((await fetch(`${server.address}/privacy/erasures/x`, { headers: { authorization } })).status, 404)

  const held = (await (await ask('/privacy/export', { visitor: 'anna' })).json()) as {
    events: unknown[]
    consents: unknown[]
  }
  t.match([held.events.length, held.consents.length], [2, 1])
  t.match(held.events[0], { event_type: 'pageview', visitor_id: 'anna', raw_event_data: { visitorId: 'anna' } })
  const byUser = await evothesis(['privacy', 'export', '--user', 'Ben@mail.example'], env)
  t.match(JSON.parse(byUser.text), { events: [{ event_type: 'identify' }, { event_type: 'pageview' }] }, byUser.text)
  t.equal((await evothesis(['privacy', 'export'], env)).code, 2)
  t.equal((await evothesis(['forget', '--visitor', 'a', '--user', 'b'], env)).code, 2)

  t.match(await (await ask('/privacy/forget', { visitor: 'anna' })).json(), { kind: 'visitor', state: 'waiting' })
  const command = await evothesis(['forget', '--user', 'ben@mail.example'], env)
  t.match(command, { code: 0, text: /is accepted/ })
  // What was on its way when they asked has ten seconds to arrive.
  const isGone = async () => !/anna|"ben"/.test(await exportedText(dataDir))
  await until('the first half of it', isGone).catch(() => undefined)
  await until('both to be gone from the files', isGone)
  t.match(await (await ask('/privacy/export', { visitor: 'anna' })).json(), { events: [], consents: [] })
  const list = await evothesis(['privacy', 'list'], env)
  t.match(list.text, /command line +user/)
  t.match(list.text, /admin API +visitor/)
  t.notMatch(list.text, /anna|ben@/)
  t.notMatch(server.output(), /anna|ben@/, 'nobody is named in the log')
})
