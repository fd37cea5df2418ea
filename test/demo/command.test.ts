import { PassThrough } from 'node:stream'
import t from 'tap'
import { type DemoIo, demoTraffic } from '../../src/demo/command.ts'
import { startCollector } from './collector-double.ts'

const run = async (args: string[], io: Partial<DemoIo> = {}) => {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const code = await demoTraffic(args, { ...io, stdout, stderr })
  return { code, stdout: String(stdout.read() ?? ''), stderr: String(stderr.read() ?? '') }
}

t.test('the help names every option', async (t) => {
  const { code, stdout } = await run(['--help'])
  t.equal(code, 0)
  for (const option of ['events', 'sites', 'seed', 'days', 'until', 'url', 'concurrency', 'anomaly', 'json'])
    t.match(stdout, `--${option}`)
})

t.test('wrong usage is one line that names the argument, and exit code 2', async (t) => {
  const wrong: [string[], RegExp][] = [
    [['--events', 'many'], /^--events takes a whole number from 1 to 100000000, not many\./],
    [['--events', '0'], /^--events takes/],
    [['--sites', '2.5'], /^--sites takes/],
    [['--seed', '-1'], /--seed/],
    [['--days', '99999'], /^--days takes/],
    [['--until', 'tomorrow'], /^--until takes now, or a moment/],
    [['--url', 'ftp://example'], /^ftp:\/\/example is no http or https address\./],
    [['--evnets', '5'], /--evnets/],
    [['loud'], /loud/],
  ]
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await run(args)
    t.equal(code, 2, args.join(' '))
    t.equal(stdout, '')
    t.match(stderr, message)
    t.equal(stderr.split('\n').length, 2)
  }
})

t.test('traffic is sent, and what was planted is printed for people', async (t) => {
  const collector = await startCollector(() => undefined)
  t.teardown(collector.close)
  const args = ['--events', '3000', '--sites', '3', '--seed', '4', '--until', '2026-11-20T18:00:00Z', '--anomaly']
  const { code, stdout, stderr } = await run(args, { url: collector.url })
  t.equal(code, 0)
  t.match(stdout, 'Traffic of seed 4 from 2026-10-23T18:00:00.000Z to 2026-11-20T18:00:00.000Z')
  t.match(stdout, 'harbor-tea.example')
  t.match(stdout, 'Anomaly: harbor-tea.example')
  t.match(stdout, `${collector.url} acknowledged 3,000 events.`)
  t.match(stderr, 'Sending: 100 % (3,000 of 3,000 events)')
  t.equal([...collector.stored.values()].flatMap(({ eventIds }) => eventIds).length, 3_000)
})

t.test('with --json standard output is one JSON document', async (t) => {
  const collector = await startCollector(() => undefined)
  t.teardown(collector.close)
  const { code, stdout } = await run(['--events', '500', '--json', '--url', collector.url])
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { events: 500, seed: 1, sent: { events: 500, rejected: 0 }, anomaly: null })
})

t.test('a collector that refuses is said, with exit code 1', async (t) => {
  const collector = await startCollector(() => ({ status: 415 }))
  t.teardown(collector.close)
  const { code, stderr } = await run(['--events', '500', '--url', collector.url])
  t.equal(code, 1)
  t.match(stderr, 'refused a request: HTTP 415')
})
