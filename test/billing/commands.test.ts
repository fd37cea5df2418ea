import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { billingCommand } from '../../src/billing/billing-command.ts'
import { applySettingsEndpoints } from '../../src/billing/settings-endpoints.ts'
import { webhooksCommand } from '../../src/billing/webhooks-command.ts'
import { insertOutbox } from '../../src/outbox.ts'
import { testConfig } from '../support/exporter.ts'
import { type BillingLab, createBillingLab } from './lab.ts'
import { openReceiver } from './receiver.ts'

/** A command as a person runs it on this machine: what it printed, and its exit code. */
const commandsOn = (lab: BillingLab, env: NodeJS.ProcessEnv = {}) => {
  const config = () => testConfig({ ...lab.env, DATABASE_URL: lab.url, LOG_LEVEL: 'silent', ...env })
  const run =
    (command: (args: string[], io: { config: typeof config; stdout: Writable; stderr: Writable }) => Promise<number>) =>
    async (...args: string[]) => {
      const chunks: string[] = []
      const stdout = new Writable({
        write(chunk, _encoding, done) {
          chunks.push(String(chunk))
          done()
        },
      })
      const code = await command(args, { config, stdout, stderr: stdout })
      return { code, text: chunks.join('') }
    }
  return { billing: run(billingCommand), webhooks: run(webhooksCommand) }
}

t.test('billing usage, domains, statement and reconcile answer people and programs', async (t) => {
  const lab = await createBillingLab(t)
  const { billing } = commandsOn(lab)
  await lab.visit('shop.example.com', '2026-10-15T12:00:00.000000Z', 1500)
  const month = ['--month', '2026-10']
  t.match(await billing('usage', ...month), { code: 0, text: /1,500 events, 1,500 pageviews[\s\S]*unapproved/ })
  await t.rejects(billing('statement', ...month), { code: 'not_found', message: /no statement of 2026-10/ })
  t.match(await billing('domains', 'approve', 'Example.com'), { code: 0, text: 'example.com is approved.\n' })
  await t.rejects(billing('domains', 'approve', 'shop.example.com'), {
    code: 'usage_invalid',
    message: /part of example\.com/,
  })
  await lab.round()
  t.match(await billing('usage', ...month), { text: /Billable: 1,500 events[\s\S]*\$0\.015 so far/ })
  t.match(await billing('statement', ...month), {
    code: 0,
    text: /Statement 2026-10, revision 1[\s\S]*Total +\$0\.015/,
  })
  t.match((await billing('statement', ...month, '--csv')).text, /^month,revision,kind/)
  t.match(JSON.parse((await billing('statement', ...month, '--json')).text), { total_micros: '15000' })
  t.match(await billing('reconcile', ...month), { code: 0, text: /received +1,500[\s\S]*No differences/ })
  t.match(await billing('reconcile', lab.backupFolder, ...month), { code: 0, text: /No differences/ })

  await lab.db.execute('update batches set events = events + 1')
  t.match(await billing('reconcile', ...month), { code: 1, text: /DIFFERENCE: Batch 1 says 1501/ })
  t.match(await billing('--help'), { code: 0, text: /^Usage: / })
  for (const wrong of [[], ['nothing'], ['usage', '--month', '2026-1x'], ['domains', 'approve'], ['usage', '--huh']])
    await t.rejects(billing(...wrong), { code: 'usage_invalid' }, wrong.join(' '))
})

const writeEvents = (t: Test, lab: BillingLab) =>
  lab.db.transaction(async (tx) => {
    for (const day of [18, 19, 20])
      await insertOutbox(tx, {
        ...{ clientId: 'acme', nodeId: 'n1', type: 'period.closed', key: `${t.name}/${day}`, data: { day } },
        occurredMs: Date.parse(`2026-11-${day}T12:00:00Z`),
      })
  })

t.test('webhooks are added, tested, rotated, replayed and removed by command', async (t) => {
  const lab = await createBillingLab(t, { WEBHOOK_ALLOW_PRIVATE: 'true' }, undefined)
  const { webhooks } = commandsOn(lab)
  t.match(await webhooks('list'), { code: 0, text: /no endpoints; add one/ })
  const receiver = await openReceiver([])
  t.teardown(receiver.close)
  const added = JSON.parse(
    (await webhooks('add', 'meter', receiver.url, '--events', 'period.closed', '--json')).text,
  ) as { secret: string }
  receiver.secrets = [added.secret]
  t.match(await webhooks('send-test', 'meter'), { code: 0, text: 'meter took it (200).\n' })
  t.match(JSON.parse(receiver.taken[0]?.body ?? ''), { type: 'webhook.test', subject: 'acme' })
  receiver.behave = () => ({ status: 503 })
  t.match(await webhooks('send-test', 'meter'), { code: 1, text: /answered 503/ })
  receiver.behave = () => 'accept'

  const rotated = JSON.parse((await webhooks('rotate', 'meter', '--json')).text) as { secret: string }
  t.not(rotated.secret, added.secret)
  receiver.secrets = [added.secret, rotated.secret]
  await t.rejects(webhooks('rotate', 'meter'), { code: 'conflict' })
  t.match(await webhooks('send-test', 'meter'), { code: 0 })
  t.match(receiver.taken.at(-1), { signatures: 2 })

  lab.clock.set(Date.now())
  await writeEvents(t, lab)
  await lab.billing.sendWebhooks()
  const before = receiver.taken.length
  t.match(await webhooks('replay', '--from', '2026-11-19', '--to', '2026-11-20T00:00:00Z'), {
    code: 0,
    text: /^1 deliveries/,
  })
  lab.clock.set(Date.now())
  await lab.billing.sendWebhooks()
  t.strictSame(
    receiver.taken.slice(before).map((one) => (JSON.parse(one.body) as { data: { day: number } }).data.day),
    [19],
  )
  t.strictSame(receiver.refusals, [])

  t.match(await webhooks('list'), {
    code: 0,
    text: /meter {2}http[\s\S]*active; events: period\.closed[\s\S]*last attempt/,
  })
  t.notMatch((await webhooks('list', '--json')).text, 'whsec_', 'a list shows no secret')
  t.match(await webhooks('attempts', 'meter', '--failed'), { code: 0, text: /answered 503 {2}webhook\.test/ })
  t.match(await webhooks('disable', 'meter'), { code: 0, text: /given up/ })
  t.match(await webhooks('list'), { code: 1, text: /disabled: by command line/ })
  await t.rejects(webhooks('send-test', 'meter'), { code: 'conflict', message: /webhooks enable meter/ })
  t.match(await webhooks('enable', 'meter'), { code: 0 })
  t.match(await webhooks('remove', 'meter'), { code: 0 })
  t.match(
    (await lab.db.query<{ action: string }>('select action from audit_log order by audit_id')).map((one) => one.action),
    ['added', 'tested', 'tested', 'rotated', 'tested', 'replayed', 'disabled', 'enabled', 'removed'].map(
      (what) => `webhook.${what}`,
    ),
  )
  await t.rejects(webhooks('send-test', 'meter'), { code: 'not_found' })
  const unknown = ['replay', '--from', '2026-11-19', '--to', '2026-11-20', '--events', 'no.such']
  for (const wrong of [
    [],
    ['add', 'x'],
    ['add', 'a b', 'https://x.com'],
    ['add', 'x', 'y'],
    unknown,
    ['replay'],
    ['replay', '--from', 'soon', '--to', 'later'],
    ['list', 'x'],
  ])
    await t.rejects(webhooks(...wrong), { code: 'usage_invalid' }, wrong.join(' '))
})

t.test('the endpoint of the settings signs with both secrets of its setting, or one that is generated', async (t) => {
  const receiver = await openReceiver([])
  t.teardown(receiver.close)
  const env = { WEBHOOK_ALLOW_PRIVATE: 'true', BILLING_WEBHOOK_URL: receiver.url }
  const lab = await createBillingLab(t)
  t.match(await commandsOn(lab, env).webhooks('send-test', 'billing'), { code: 0 })
  t.match(receiver.taken[0], { signatures: 1 })
  const [a, b] = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', `whsec_${Buffer.alloc(32, 7).toString('base64')}`]
  receiver.secrets = [a, b]
  const both = commandsOn(lab, { ...env, BILLING_WEBHOOK_SECRET: `${b},${a}` })
  t.match(await both.webhooks('send-test', 'billing'), { code: 0 })
  t.strictSame(receiver.refusals, [])
  await t.rejects(both.webhooks('rotate', 'billing'), { code: 'conflict', message: /is a setting/ })
  const guarded = commandsOn(lab, { ...env, WEBHOOK_ALLOW_PRIVATE: 'false' })
  t.match(await guarded.webhooks('send-test', 'billing'), { code: 1, text: /is not https/ })
  t.match(
    await commandsOn(lab).webhooks('list'),
    { code: 0, text: /billing[\s\S]*active/ },
    'a shell without the setting',
  )
  await applySettingsEndpoints(lab.db, testConfig(lab.env), { nowMs: Date.now(), retires: true })
  t.match(await commandsOn(lab).webhooks('list'), { code: 1, text: /disabled: not in the settings any more/ })
  t.match(await commandsOn(lab).webhooks('remove', 'billing'), { code: 0 })
})
