import { readFile } from 'node:fs/promises'
import path from 'node:path'
import t from 'tap'
import { createToken, findHolder, revokeToken, selectTokens } from '../../src/access/tokens.ts'
import { createTestDatabase } from '../support/database.ts'
import { tempFolder } from '../support/exporter.ts'
import { collectOutput, exitOf, runProgram, startServer } from '../support/server.ts'

t.test('a token counts until it ends or is revoked, and only its hash is kept', async (t) => {
  const { db, close } = await createTestDatabase()
  t.teardown(close)
  const nowMs = Date.now()
  const made = await createToken(db, { name: 'console', role: 'viewer', expiresMs: nowMs + 1_000, nowMs, by: 'a test' })
  t.match(made.token, /^evo_viewer_[\w-]{43}$/)
  t.same(await findHolder(db, made.token, nowMs), { name: 'console', role: 'viewer' })
  t.equal(await findHolder(db, made.token, nowMs + 1_000), undefined, 'ended')
  t.equal(await findHolder(db, `${made.token}x`, nowMs), undefined)
  const [row] = await db.query<{ text: string }>('select to_jsonb(t)::text as text from access_tokens t')
  t.notMatch(row?.text ?? '', made.token.slice(11))
  await revokeToken(db, made.tokenId, { nowMs, by: 'a test' })
  t.equal(await findHolder(db, made.token, nowMs), undefined, 'revoked')
  t.match(await selectTokens(db, nowMs), [{ name: 'console', state: 'revoked' }])
  await t.rejects(revokeToken(db, 'nobody', { nowMs, by: 'a test' }), { code: 'not_found' })
  await t.rejects(createToken(db, { name: ' ', role: 'viewer', expiresMs: nowMs + 1, nowMs, by: 'x' }), {
    code: 'request_invalid',
  })
  const audit = await db.query('select action, actor from audit_log order by audit_id')
  t.same(audit, [
    { action: 'token.create', actor: 'a test' },
    { action: 'token.revoke', actor: 'a test' },
  ])
})

t.test('each role may do its part, on one collector and on several', async (t) => {
  for (const COLLECT_WORKERS of ['1', '2']) {
    const dataDir = await tempFolder(t)
    const server = await startServer(dataDir, { COLLECT_WORKERS })
    t.teardown(() => server.process.kill('SIGKILL'))
    const run = async (...args: string[]) => {
      const child = runProgram(['token', ...args], { DATA_DIR: dataDir })
      const output = collectOutput(child)
      return { code: await exitOf(child), text: output() }
    }
    const tokens: Record<string, string> = {}
    for (const role of ['viewer', 'client', 'operator']) {
      const { text } = await run('create', '--name', `the ${role}`, '--role', role, '--json')
      tokens[role] = JSON.parse(text).token
    }
    const ask = async (role: string, method: string, route: string, body?: object) => {
      const answer = await fetch(`${server.address}${route}`, {
        method,
        headers: {
          authorization: `Bearer ${tokens[role]}`,
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      })
      return answer.status
    }
    const reading = [
      '/export/status',
      '/events/count',
      '/billing/usage',
      '/billing/domains',
      '/webhooks',
      '/alerts',
      '/privacy/erasures',
    ]
    for (const route of reading) t.equal(await ask('viewer', 'GET', route), 200, `a viewer reads ${route}`)
    const changes: [needed: string, method: string, route: string, body?: object][] = [
      ['client', 'POST', '/privacy/export', { visitor: 'v' }],
      ['client', 'POST', '/privacy/forget', { visitor: 'v' }],
      ['client', 'POST', '/billing/domains/nowhere.example/approve'],
      ['operator', 'GET', '/events/recent'],
      ['operator', 'POST', '/export/run'],
      ['operator', 'POST', '/export/adopt'],
      ['operator', 'POST', '/webhooks', { name: 'x' }],
      ['operator', 'DELETE', '/webhooks/x'],
      ['operator', 'POST', '/webhooks/x/rotate'],
    ]
    for (const [needed, method, route, body] of changes) {
      t.equal(await ask('viewer', method, route, body), 403, `a viewer may not ${method} ${route}`)
      const asClient = await ask('client', method, route, body)
      if (needed === 'client') t.not(asClient, 403, `a client may ${method} ${route}`)
      else t.equal(asClient, 403, `a client may not ${method} ${route}`)
      t.notOk([401, 403].includes(await ask('operator', method, route, body)), `an operator may ${method} ${route}`)
    }
    const id =
      (await run('list')).text
        .split('\n')
        .find((line) => line.includes('the viewer'))
        ?.split(' ')[0] ?? ''
    t.equal((await run('revoke', id)).code, 0)
    t.equal(await ask('viewer', 'GET', '/export/status'), 401, 'at once')
    t.equal((await run('create', '--role', 'root', '--name', 'x')).code, 2)
    t.equal((await run('create', '--role', 'viewer', '--name', 'x', '--expires', 'never')).code, 2)
    t.notMatch(server.output(), /evo_/)
    t.equal((await readFile(path.join(dataDir, 'admin-token'), 'utf8')).trim(), server.adminToken)
    server.process.kill('SIGTERM')
    t.equal(await server.exited, 0, server.output())
  }
})
