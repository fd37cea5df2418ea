import t from 'tap'
import { isPublicAddress, type Lookup, resolveAddresses } from '../../src/billing/public-address.ts'
import { createSender } from '../../src/billing/send-webhook.ts'
import { createWebhookSecret } from '../../src/billing/signature.ts'
import { openReceiver } from './receiver.ts'
import { createTestClock } from './test-clock.ts'

const hidden = [
  ...[
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
  ],
  ...['224.0.0.1', '255.255.255.255', '198.18.0.1', '::1', '::', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1'],
  // IPv4 inside IPv6: mapped, compatible, NAT64, 6to4, Teredo
  ...['::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '::10.0.0.1', '64:ff9b::a00:1', '2002:a00:1::1', '2001:0:a00:1::'],
]
const open = ['1.1.1.1', '8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450:4001::200e']

t.test('only addresses of the public internet are public', async (t) => {
  for (const address of hidden) t.equal(isPublicAddress(address), false, address)
  for (const address of open) t.equal(isPublicAddress(address), true, address)
  t.equal(isPublicAddress('example.com'), false, 'a name is no address')
})

t.test('an endpoint that is private, by number, in any spelling, or by name, is refused', async (t) => {
  const names: Record<string, string[]> = {
    'inside.example.com': ['10.0.0.5'],
    'both.example.com': ['93.184.216.34', '169.254.169.254'],
  }
  const lookup: Lookup = async (host) => (names[host] ?? []).map((address) => ({ address, family: 4 }))
  for (const url of [
    ...['https://127.0.0.1/', 'https://2130706433/', 'https://0x7f.1/', 'https://[::1]/', 'https://[::ffff:10.0.0.1]/'],
    ...['https://inside.example.com/', 'https://both.example.com/', 'https://nowhere.example.com/'],
    ...['http://93.184.216.34/', 'ftp://93.184.216.34/', 'https://user:pass@93.184.216.34/'],
  ])
    await t.rejects(resolveAddresses(new URL(url), { allowPrivate: false, lookup }), { code: 'forbidden' }, url)
  t.match(await resolveAddresses(new URL('https://93.184.216.34/'), { allowPrivate: false }), [{ family: 4 }])
  t.match(await resolveAddresses(new URL('http://[::1]:1/'), { allowPrivate: true }), [{ address: '::1', family: 6 }])
})

t.test('a name is resolved once, and the address that was checked is the one that is connected to', async (t) => {
  const key = createWebhookSecret()
  const receiver = await openReceiver([key.reveal()])
  t.teardown(receiver.close)
  let asked = 0
  // A rebinding name: an answer for the check, and another one for whoever asks again.
  const lookup: Lookup = async () => [{ address: asked++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }]
  const clock = { ...createTestClock(), now: () => Date.now() }
  const send = createSender({ clock, allowPrivate: true, lookup })
  const url = receiver.url.replace('127.0.0.1', 'rebinding.example.com')
  t.match(await send({ url, secrets: [key] }, { id: 'evt_1', body: '{}' }), { status: 200, error: null })
  t.equal(asked, 1)
  t.strictSame(receiver.refusals, [])
  t.equal(receiver.taken.length, 1)

  const guarded = createSender({
    clock,
    allowPrivate: false,
    lookup: async () => [{ address: '127.0.0.1', family: 4 }],
  })
  const refused = await guarded({ url: 'https://rebinding.example.com/', secrets: [key] }, { id: 'evt_2', body: '{}' })
  t.match(refused, { status: null, error: /no public address/ })
  t.equal(receiver.requests, 1, 'nothing was sent')
})

t.test('a receiver whose first address does not answer is reached at its next one', async (t) => {
  const key = createWebhookSecret()
  const receiver = await openReceiver([key.reveal()])
  t.teardown(receiver.close)
  const lookup: Lookup = async () => [
    { address: '::1', family: 6 },
    { address: '127.0.0.1', family: 4 },
  ]
  const clock = { ...createTestClock(), now: () => Date.now() }
  const send = createSender({ clock, allowPrivate: true, lookup })
  const url = receiver.url.replace('127.0.0.1', 'both.example.com')
  t.match(await send({ url, secrets: [key] }, { id: 'evt_1', body: '{}' }), { status: 200, error: null })
})
