import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { findServer } from '../src/server-file.ts'
import { createTestDatabase } from './support/database.ts'
import { tempFolder } from './support/exporter.ts'
import { collectOutput, exitOf, runProgram } from './support/server.ts'

/** Starts one role and waits for its banner. */
const startRole = async (role: 'collect' | 'worker', env: NodeJS.ProcessEnv) => {
  const child = runProgram([role], env)
  const output = collectOutput(child)
  const exited = exitOf(child)
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', () => {
      const found = /(?:Collect|Admin API)\s+(http:\/\/[^\s/]+)/.exec(output())?.[1]
      if (found !== undefined && output().includes('Ctrl-C')) resolve(found)
    })
    void exited.then((code) => reject(new Error(`${role} ended with ${code}:\n${output()}`)))
  })
  return { child, output, exited, address }
}

t.test('collector and worker share a folder as processes of their own, each with its routes', async (t) => {
  const [dataDir, database] = [await tempFolder(t), await createTestDatabase()]
  t.teardown(database.close)
  const env = { DATA_DIR: dataDir, DATABASE_URL: database.url }
  const collector = await startRole('collect', env)
  const worker = await startRole('worker', env)
  t.teardown(() => {
    for (const one of [collector, worker]) one.child.kill('SIGKILL')
  })
  t.equal(findServer(dataDir, 'collect')?.pid, collector.child.pid)
  t.equal(findServer(dataDir)?.pid, worker.child.pid)

  const sent = await fetch(`${collector.address}/collect`, { method: 'POST', body: '{"eventType":"pageview"}' })
  t.equal(sent.status, 200)
  t.equal((await fetch(`${worker.address}/collect`, { method: 'POST', body: '{}' })).status, 404)
  t.equal((await fetch(`${collector.address}/export/status`)).status, 404)
  t.strictSame(await (await fetch(`${worker.address}/health`)).json(), { status: 'healthy' })

  const authorization = `Bearer ${(await readFile(path.join(dataDir, 'admin-token'), 'utf8')).trim()}`
  const run = await fetch(`${worker.address}/export/run?wait=true`, { method: 'POST', headers: { authorization } })
  t.match(await run.json(), { status: 'done', events: 1 })

  const second = runProgram(['worker'], env)
  const said = collectOutput(second)
  t.equal(await exitOf(second), 1)
  t.match(said(), 'already_running')

  for (const one of [worker, collector]) {
    one.child.kill('SIGTERM')
    t.equal(await one.exited, 0, one.output())
  }
  t.equal(findServer(dataDir), undefined)
  t.equal(findServer(dataDir, 'collect'), undefined)
})
