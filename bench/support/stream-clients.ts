import { get } from 'node:http'

/** Opens live streams in a process of its own, and counts what they are given: events, and events that were left out. */
const [address = '', token = '', clients = '0'] = process.argv.slice(2)
const counted = { events: 0, skipped: 0, cut: 0, bytes: 0 }

for (let n = 0; n < Number(clients); n++) {
  const request = get(
    `${address}/events/stream`,
    { agent: false, headers: { authorization: `Bearer ${token}` } },
    (answer) => {
      if (answer.statusCode !== 200) throw new Error(`a stream was answered with ${answer.statusCode}`)
      let rest = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        counted.bytes += chunk.length
        const frames = (rest + chunk).split('\n\n')
        rest = frames.pop() ?? ''
        for (const frame of frames)
          if (frame.includes('event: skipped')) counted.skipped += Number(/"events":(\d+)/.exec(frame)?.[1] ?? 0)
          else if (frame.includes('event: event')) counted.events++
      })
      answer.on('close', () => counted.cut++)
    },
  )
  request.on('error', () => counted.cut++)
}
process.on('message', () => process.send?.(counted))
