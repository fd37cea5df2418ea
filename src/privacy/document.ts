import { insertAudit } from '../audit.ts'
import type { KeyedHash } from '../keyed-hash.ts'
import { type AccessDeps, personEvents } from './access.ts'
import { type PersonId, personOf } from './requests.ts'

/**
 * All that is held of a person as one JSON document, piece by piece: {person, generated_at, events[], consents[]}. It is
 * noted in the audit log, without the id. What fails at once throws before the first piece.
 */
export const personDocument = async (
  deps: AccessDeps,
  request: { keyedHash: KeyedHash; id: PersonId; by: string; nowMs: number },
): Promise<AsyncGenerator<string>> => {
  const { keyedHash, id, by, nowMs } = request
  const person = personOf(keyedHash, id)
  const subject = keyedHash.text('erasure', JSON.stringify(person))
  await insertAudit(deps.db, { by, nowMs }, 'privacy.export', subject, {
    kind: person.users.length > 0 ? 'user' : 'visitor',
  })
  const events = personEvents(deps, person, nowMs)
  return write(id, new Date(nowMs), await events.next(), events)
}

const write = async function* (
  asked: PersonId,
  at: Date,
  first: IteratorResult<string>,
  rest: AsyncGenerator<string>,
): AsyncGenerator<string> {
  const consents: string[] = []
  yield `{"person":${JSON.stringify(asked)},"generated_at":"${at.toISOString()}","events":[`
  let comma = ''
  for (let next = first; !next.done; next = await rest.next()) {
    const line = next.value
    if ((JSON.parse(line) as { event_type: string }).event_type === 'consent') consents.push(line)
    yield `${comma}\n${line}`
    comma = ','
  }
  yield `\n],"consents":[${consents.join(',\n')}]}\n`
}
