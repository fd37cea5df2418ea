import { createHash } from 'node:crypto'
import { PassThrough, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { CopyToStream } from '../src/copy-to-stream.ts'
import { createTestDatabase } from './support/database.ts'

const message = (kind: string, content: string | Buffer): Buffer => {
  const body = Buffer.from(content)
  const head = Buffer.alloc(5)
  head.write(kind)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const collect = () => {
  const chunks: Buffer[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      done()
    },
  })
  return { sink, text: () => Buffer.concat(chunks).toString() }
}

/** A COPY over a socket of the test's own; `seen` is what was handed to the connection. */
const overSocket = (query: CopyToStream) => {
  const socket = new PassThrough()
  const seen: Buffer[] = []
  let isComplete = false
  socket.on('data', (chunk: Buffer) => {
    seen.push(chunk)
    if (isComplete || !Buffer.concat(seen).includes(message('C', 'COPY 3\0'))) return
    isComplete = true
    query.handleCommandComplete({ text: 'COPY 3' })
  })
  query.submit({ stream: socket, query: () => {} })
  return { socket, seen: () => Buffer.concat(seen).toString('latin1') }
}

t.test('rows come through whole, however the socket cuts them; what stands between is the connection’s', async (t) => {
  const answer = Buffer.concat([
    message('H', Buffer.from([0, 0, 1, 0, 0])),
    message('d', 'one\n'),
    message('N', 'SNOTICE\0\0'),
    message('d', ''),
    message('d', 'two "quoted"\n'),
    message('A', Buffer.from([0, 0, 0, 1, 97, 0, 0])),
    message('d', 'three\n'),
    message('c', ''),
    message('C', 'COPY 3\0'),
    message('Z', 'I'),
  ])
  for (let size = 1; size <= answer.length; size++) {
    const query = new CopyToStream('copy')
    const { socket, seen } = overSocket(query)
    const { sink, text } = collect()
    const done = pipeline(query, sink)
    for (let at = 0; at < answer.length; at += size) socket.write(Buffer.from(answer.subarray(at, at + size)))
    await done
    t.equal(text(), 'one\ntwo "quoted"\nthree\n', `chunks of ${size}`)
    t.equal(query.rowCount, 3)
    t.match(seen(), 'NOTICE')
    t.match(seen(), message('A', Buffer.from([0, 0, 0, 1, 97, 0, 0])).toString('latin1'))
    t.notMatch(seen(), 'three')
    t.equal(socket.listenerCount('data'), 1, 'the socket is the connection’s again')
  }
})

t.test('against PostgreSQL', async (t) => {
  const { db, close } = await createTestDatabase()
  const session = await db.session()
  t.teardown(async () => {
    session.release()
    await close()
  })
  const read = async (text: string): Promise<{ text: string; rows: number }> => {
    const { stream, rows } = session.copyTo(text)
    const { sink, text: all } = collect()
    await pipeline(stream, sink)
    return { text: all(), rows: rows() }
  }

  await t.test('no row, small rows, and rows larger than a block', async (t) => {
    t.strictSame(await read('copy (select 1 where false) to stdout'), { text: '', rows: 0 })
    const small = await read('copy (select n from generate_series(1, 300000) as n) to stdout')
    t.equal(small.rows, 300_000)
    t.equal(small.text, Array.from({ length: 300_000 }, (_, i) => `${i + 1}\n`).join(''))
    const large = await read(`copy (select repeat(chr(96 + n), 3000000) from generate_series(1, 3) as n) to stdout`)
    t.equal(large.rows, 3)
    t.equal(large.text, ['a', 'b', 'c'].map((letter) => `${letter.repeat(3_000_000)}\n`).join(''))
  })

  await t.test('notices between rows do not get into them', async (t) => {
    await session.execute(`create function tell(n int) returns int language plpgsql as
      $$ begin raise notice 'row %', n; return n; end $$`)
    const { text, rows } = await read('copy (select tell(n) from generate_series(1, 1000) as n) to stdout')
    t.equal(rows, 1000)
    t.equal(text, Array.from({ length: 1000 }, (_, i) => `${i + 1}\n`).join(''))
  })

  await t.test('an error amid the rows is told, and the connection goes on', async (t) => {
    await t.rejects(read('copy (select 1 / (200000 - n) from generate_series(1, 300000) as n) to stdout'), {
      code: '22012',
    })
    await t.rejects(read('copy nothing_like_it to stdout'), { code: '42P01' })
    t.strictSame(await session.query('select 1 as one'), [{ one: 1 }])
    t.equal((await read('copy (select 1) to stdout')).text, '1\n')
  })

  await t.test('a reader that is slow holds the server back', async (t) => {
    const { stream, rows } = session.copyTo(`copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout`)
    let bytes = 0
    let most = 0
    for await (const chunk of stream) {
      bytes += (chunk as Buffer).length
      most = Math.max(most, stream.readableLength)
      await new Promise((resolve) => setImmediate(resolve))
    }
    t.equal(bytes, 100_100_000)
    t.equal(rows(), 100_000)
    t.ok(most <= 4 << 20, `${most} bytes waited`)
  })

  await t.test('a block holds until the next is asked for, and all come in the same memory', async (t) => {
    const text = 'copy (select repeat(chr(97 + n % 26), n % 3000) from generate_series(1, 60000) as n) to stdout'
    const { stream } = session.copyTo(text)
    const memory = new Set<ArrayBufferLike>()
    const [at, after] = [createHash('sha256'), createHash('sha256')]
    let blocks = 0
    for await (const chunk of stream) {
      const block = chunk as Buffer
      memory.add(block.buffer)
      at.update(block)
      // Long enough for the socket to bring more, and to be paused.
      await setTimeout(blocks++ % 5 === 0 ? 20 : 0)
      after.update(block)
    }
    t.ok(blocks > 100, `${blocks} blocks`)
    t.ok(memory.size <= 3, `${memory.size} pieces of memory`)
    const sha256 = at.digest('hex')
    t.equal(after.digest('hex'), sha256)
    const expected = createHash('sha256')
    for (let n = 1; n <= 60_000; n++) expected.update(`${String.fromCharCode(97 + (n % 26)).repeat(n % 3000)}\n`)
    t.equal(sha256, expected.digest('hex'))
  })

  await t.test('what happens before anybody reads is told to whoever then does, and ends no process', async (t) => {
    const readAll = async (stream: AsyncIterable<unknown>): Promise<void> => {
      for await (const _block of stream);
    }
    const refused = session.copyTo('copy nothing_like_it to stdout')
    await setTimeout(100)
    await t.rejects(readAll(refused.stream), { code: '42P01' })
    t.strictSame(await session.query('select 1 as one'), [{ one: 1 }])
    const other = await db.session()
    const cut = other.copyTo('copy (select pg_sleep(10)) to stdout')
    await setTimeout(20)
    other.break(new Error('cut'))
    await setTimeout(100)
    await t.rejects(readAll(cut.stream))
    const late = other.copyTo('copy (select 1) to stdout')
    await setTimeout(100)
    await t.rejects(readAll(late.stream))
    other.release()
  })

  await t.test('a connection that is cut amid the rows is an error', async (t) => {
    const other = await db.session()
    const { stream } = other.copyTo(`copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout`)
    const reading = pipeline(
      stream,
      new Writable({
        write(_chunk, _encoding, done) {
          other.break(new Error('cut'))
          done()
        },
      }),
    )
    await t.rejects(reading)
    other.release()
  })
})
