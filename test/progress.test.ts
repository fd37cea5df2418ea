import { PassThrough } from 'node:stream'
import t from 'tap'
import { createProgress } from '../src/progress.ts'

const start = (isTTY: boolean) => {
  const stream = Object.assign(new PassThrough(), { isTTY })
  let nowMs = 0
  const clock = { now: () => nowMs, sleep: async () => {} }
  const progress = createProgress({ stream, label: 'Sending', total: 1_000, unit: 'events', clock })
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { progress, text: () => String(stream.read() ?? ''), pass }
}

t.test('elsewhere than on a terminal, progress is a plain line every tenth of the way', async (t) => {
  const { progress, text, pass } = start(false)
  for (let done = 0; done <= 1_000; done += 5) progress.update(done)
  pass(2_000)
  progress.finish()
  progress.finish()
  progress.update(1_000)
  const lines = text().trimEnd().split('\n')
  t.equal(lines.length, 10)
  t.equal(lines[0], 'Sending: 10 % (100 of 1,000 events)')
  t.equal(lines[9], 'Sending: 100 % (1,000 of 1,000 events), 500 events/s')
  t.notMatch(lines.join(), '\u001b')
})

t.test('on a terminal, progress is one line that is drawn again, ten times a second at most', async (t) => {
  const { progress, text, pass } = start(true)
  for (let done = 0; done <= 500; done++) progress.update(done)
  t.equal(text().split('\r').length, 2)
  pass(100)
  progress.update(500)
  t.match(text(), '\r\u001b[2KSending ████████████░░░░░░░░░░░░ 50 % (500 of 1,000 events)')
  progress.finish()
  t.match(text(), /\n$/)
})

t.test('nothing to do is all done', async (t) => {
  const stream = new PassThrough()
  createProgress({ stream, label: 'Export', total: 0, unit: 'rows' }).finish()
  t.equal(String(stream.read()), 'Export: 100 % (0 of 0 rows)\n')
})
