import t from 'tap'
import { createCustomerKey } from '../../src/agents/segments.ts'
import { createKeyedHash } from '../../src/keyed-hash.ts'
import { secret } from '../../src/secret.ts'

t.test('a customer’s name in files is worth nothing without the client’s key', async (t) => {
  const [one, other] = ['one', 'other'].map((key) => createCustomerKey(createKeyedHash(secret(key))))
  t.match(one?.('17'), /^c_[0-9a-f]{16}$/)
  t.equal(one?.('17'), one?.('17'))
  t.not(one?.('17'), one?.('18'))
  t.not(one?.('17'), other?.('17'))
})
