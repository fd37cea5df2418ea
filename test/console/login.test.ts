import t from 'tap'
import { revokeToken } from '../../src/access/tokens.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { codeOf, stepAt } from '../../src/console/totp.ts'
import { createKeyedHash } from '../../src/keyed-hash.ts'
import { adminToken, createTestConsole, hashKey, ours } from './console.ts'

const handClock = (): Clock & { nowMs: number } => {
  const clock = { ...systemClock, nowMs: Date.now(), now: () => clock.nowMs }
  return clock
}

t.test('a token gives a session, which ends by itself, by logout, and with its token', async (t) => {
  const clock = handClock()
  const { app, db, token, login } = await createTestConsole(t, { clock })
  const { token: client, tokenId } = await token('client', { expiresMs: clock.now() + 24 * 3_600_000 })
  const answer = await app.inject({ method: 'POST', url: '/console/login', headers: ours, payload: { token: client } })
  t.equal(answer.statusCode, 200)
  const set = `${answer.headers['set-cookie']}`
  t.match(set, /^evothesis_console=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/)
  const cookie = set.split(';')[0] ?? ''
  const who = async (sent: string) => (await app.inject({ url: '/console/session', headers: { cookie: sent } })).json()
  t.match(await who(cookie), { holder: { name: 'the client', role: 'client' }, has_code: false, can_have_code: true })
  const [row] = await db.query<{ text: string }>('select to_jsonb(s)::text as text from console_sessions s')
  t.notMatch(row?.text ?? '', cookie.split('=')[1] ?? '-', 'only its hash is kept')

  clock.nowMs += 12 * 3_600_000
  t.same(await who(cookie), { holder: null }, 'ended by itself')
  const second = await login(client)
  await app.inject({ method: 'POST', url: '/console/logout', headers: { ...ours, cookie: second } })
  t.same(await who(second), { holder: null }, 'logged out')
  const third = await login(client)
  await revokeToken(db, tokenId, { nowMs: clock.now(), by: 'a test' })
  t.same(await who(third), { holder: null }, 'its token was revoked')
  const audit = await db.query<{ action: string; actor: string }>(
    `select action, actor from audit_log where action like 'console%' order by audit_id`,
  )
  t.same(
    audit.map(({ action, actor }) => `${action} ${actor}`),
    ['console.login the client', 'console.login the client', 'console.logout the client', 'console.login the client'],
  )
})

t.test('a session ends no later than its token, and is Secure behind TLS', async (t) => {
  const clock = handClock()
  const { app, token } = await createTestConsole(t, { clock })
  const { token: short } = await token('viewer', { expiresMs: clock.now() + 60_000 })
  const answer = await app.inject({ method: 'POST', url: '/console/login', headers: ours, payload: { token: short } })
  t.match(answer.headers['set-cookie'], /Max-Age=60$/)
})

t.test('sessions are for our own pages', async (t) => {
  const { app, token, login } = await createTestConsole(t)
  const { token: operator } = await token('operator')
  const cookie = await login(operator)
  const ask = async (headers: Record<string, string>, method: 'GET' | 'POST' = 'POST', url = '/console/code/offer') =>
    (await app.inject({ method, url, headers: { cookie, host: 'us.example', ...headers } })).statusCode
  t.equal(await ask(ours), 200)
  t.equal(await ask({ 'x-evothesis-console': '1', origin: 'http://us.example' }), 200, 'an old browser')
  t.equal(await ask({ 'x-evothesis-console': '1', origin: 'http://us.example:8443' }), 200, 'a proxy left the port out')
  for (const [why, headers] of Object.entries<Record<string, string>>({
    'without our header': { 'sec-fetch-site': 'same-origin' },
    'a form of another site': { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    'another host of our domain': { ...ours, 'sec-fetch-site': 'same-site' },
    'typed or from a bookmark': { ...ours, 'sec-fetch-site': 'none' },
    'another origin, in an old browser': { 'x-evothesis-console': '1', origin: 'https://evil.example' },
    'an origin that hides': { 'x-evothesis-console': '1', origin: 'null' },
  }))
    t.equal(await ask(headers), 403, why)
  t.equal(await ask({ 'sec-fetch-site': 'cross-site' }, 'GET', '/console/session'), 403, 'nor is it read from there')
  t.equal(await ask({ 'sec-fetch-site': 'none' }, 'GET', '/console/session'), 200, 'a bookmark reads')
  const login2 = await app.inject({
    ...{ method: 'POST', url: '/console/login', payload: { token: operator } },
    headers: { 'sec-fetch-site': 'cross-site', 'x-evothesis-console': '1' },
  })
  t.equal(login2.statusCode, 403, 'nobody is logged in by another site')
})

t.test('a planted session never counts, and a login ends it', async (t) => {
  const { app, token, login } = await createTestConsole(t)
  const { token: viewer } = await token('viewer')
  const planted = 'evothesis_console=planted-by-somebody'
  const after = await app.inject({
    ...{ method: 'POST', url: '/console/login', payload: { token: viewer } },
    headers: { ...ours, cookie: planted },
  })
  t.notMatch(after.headers['set-cookie'], /planted/)
  const session = async (cookie: string) => (await app.inject({ url: '/console/session', headers: { cookie } })).json()
  t.same(await session(planted), { holder: null })
  const old = await login(viewer)
  const again = await app.inject({
    ...{ method: 'POST', url: '/console/login', payload: { token: viewer } },
    headers: { ...ours, cookie: old },
  })
  t.equal(again.statusCode, 200)
  t.same(await session(old), { holder: null }, 'the one before has ended')
})

t.test('tokens cannot be tried out, and nothing is learnt from a refusal', async (t) => {
  const { app, db } = await createTestConsole(t)
  const attempt = async (body: unknown) =>
    app.inject({ method: 'POST', url: '/console/login', headers: ours, payload: body as object })
  const refused = await attempt({ token: 'evo_operator_guess' })
  t.equal(refused.statusCode, 401)
  t.equal(refused.headers['set-cookie'], undefined)
  for (const body of [{}, { token: '' }, { token: 'x'.repeat(501) }, { token: 1 }, { token: 'x', role: 'operator' }])
    t.equal((await attempt(body)).statusCode, 400)
  t.equal((await attempt({ token: `'; drop table access_tokens; --` })).statusCode, 401)
  let limited = 0
  for (let n = 0; n < 10; n++) if ((await attempt({ token: `guess ${n}` })).statusCode === 429) limited++
  t.ok(limited >= 6, `${limited} of 10 more were not even looked at`)
  t.equal((await attempt({ token: adminToken.reveal() })).statusCode, 429, 'not even the right one')
  t.same(await db.query('select 1 from console_sessions'), [])
})

t.test('one customer of IPv6 is one sender, however the address is written', async (t) => {
  const { app } = await createTestConsole(t)
  const from = async (remoteAddress: string) =>
    (await app.inject({ method: 'POST', url: '/console/login', headers: ours, remoteAddress, payload: { token: 'x' } }))
      .statusCode
  for (const network of ['2001:db8:0:0', '2001:db8:1:2']) {
    const statuses: number[] = []
    for (let n = 0; n < 12; n++)
      statuses.push(await from(new URL(`http://[${network}:${n + 1}:0:0:1]`).hostname.slice(1, -1)))
    t.same(statuses, [...Array.from({ length: 10 }, () => 401), 429, 429], network)
  }
  t.equal(await from('2001:db8:1:3::1'), 401, 'another one is another')
})

t.test('with a second factor a token needs its code, each once, and counts for logins only', async (t) => {
  const clock = handClock()
  const { app, db, token, login } = await createTestConsole(t, { clock })
  const { token: operator, tokenId } = await token('operator')
  const cookie = await login(operator)
  const stolen = await login(operator)
  const call = async (url: string, payload: object = {}, headers: Record<string, string> = { cookie }) =>
    app.inject({ method: 'POST', url, headers: { ...ours, ...headers }, payload })
  t.equal((await call('/console/code/confirm', { code: '123456' })).statusCode, 409, 'none was offered')
  const offered = (await call('/console/code/offer')).json() as { secret: string; address: string }
  t.match(offered.address, `secret=${offered.secret}`)
  const [row] = await db.query<{ nonce: string; text: string }>(
    'select totp_nonce::text as nonce, to_jsonb(t)::text as text from access_tokens t where totp_nonce is not null',
  )
  t.notMatch(row?.text ?? '', offered.secret, 'it stands nowhere')
  const key = Buffer.from(createKeyedHash(hashKey).text('totp', row?.nonce ?? ''), 'hex')
  const code = () => codeOf(key, stepAt(clock.now()))
  t.equal((await call('/console/login', { token: operator }, {})).statusCode, 200, 'not confirmed: not asked for')
  t.equal((await call('/console/code/confirm', { code: '000000' })).statusCode, 401)
  t.equal((await call('/console/code/confirm', { code: code() })).statusCode, 200)
  const holderOf = async (sent: string) =>
    (await app.inject({ url: '/console/session', headers: { cookie: sent } })).json().holder
  t.match(await holderOf(cookie), { role: 'operator' })
  t.equal(await holderOf(stolen), null, 'a session that gave no code has ended')
  t.equal((await call('/console/code/offer')).statusCode, 409, 'nobody takes it away by offering another')

  const bearer = { authorization: `Bearer ${operator}` }
  t.equal(await app.findHolder(operator), undefined, 'the token alone is nobody')
  t.equal((await call('/console/code/offer', {}, bearer)).statusCode, 401)
  const loginWith = async (sent?: string) =>
    call('/console/login', { token: operator, ...(sent && { code: sent }) }, {})
  const asked = await loginWith()
  t.same([asked.statusCode, asked.json().code], [401, 'code_needed'])
  t.equal((await loginWith(code())).statusCode, 401, 'it was used to confirm')
  clock.nowMs += 60_000
  t.equal((await loginWith(code())).statusCode, 200)
  t.equal((await loginWith(code())).statusCode, 401, 'each code counts once')
  clock.nowMs += 60_000
  await db.execute('update access_tokens set totp_failures = 0')
  t.equal((await call('/console/code/remove', { code: '111111' })).statusCode, 401)
  t.equal((await call('/console/code/remove', { code: code() })).statusCode, 200)
  t.match(await app.findHolder(operator), { role: 'operator' })
  const audit = await db.query<{ action: string }>(
    `select action from audit_log where subject = $1::text and action like 'console.code%' order by audit_id`,
    [tokenId],
  )
  t.same(
    audit.map(({ action }) => action),
    [
      'console.code_refused',
      'console.code_added',
      'console.code_refused',
      'console.code_refused',
      'console.code_refused',
      'console.code_removed',
    ],
  )
})

t.test('codes cannot be tried out, from however many addresses', async (t) => {
  const clock = handClock()
  const { app, db, token, login } = await createTestConsole(t, { clock })
  const { token: client } = await token('client')
  const cookie = await login(client)
  const headers = { ...ours, cookie }
  await app.inject({ method: 'POST', url: '/console/code/offer', headers })
  const [row] = await db.query<{ nonce: string }>('select totp_nonce::text as nonce from access_tokens')
  const key = Buffer.from(createKeyedHash(hashKey).text('totp', row?.nonce ?? ''), 'hex')
  const right = () => codeOf(key, stepAt(clock.now()))
  await app.inject({ method: 'POST', url: '/console/code/confirm', headers, payload: { code: right() } })
  clock.nowMs += 60_000
  const statuses: number[] = []
  const loginFrom = async (n: number, code: string) =>
    (
      await app.inject({
        ...{ method: 'POST', url: '/console/login', headers: ours, remoteAddress: `10.0.0.${n}` },
        payload: { token: client, code },
      })
    ).statusCode
  for (let n = 0; n < 8; n++) statuses.push(await loginFrom(n, right() === '000000' ? '000001' : '000000'))
  t.same(statuses, [401, 401, 401, 401, 401, 429, 429, 429])
  t.equal(await loginFrom(20, right()), 429, 'the right one neither, for a while')
  clock.nowMs += 16 * 60_000
  t.equal(await loginFrom(21, right()), 200)
})

t.test('a client has a second factor, a viewer changes nothing, a program has none', async (t) => {
  const { app, token, login } = await createTestConsole(t)
  const { token: viewer } = await token('viewer')
  const offer = async (headers: Record<string, string>) =>
    (await app.inject({ method: 'POST', url: '/console/code/offer', headers: { ...ours, ...headers } })).statusCode
  t.equal(await offer({ cookie: await login(viewer) }), 403)
  t.equal(await offer({ cookie: await login(adminToken.reveal()) }), 409)
  t.equal(await offer({ authorization: `Bearer ${adminToken.reveal()}` }), 409)
  t.equal(await offer({}), 401)
})
