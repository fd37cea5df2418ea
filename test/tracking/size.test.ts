import t from 'tap'
import { buildScript, describeFile } from '../../tracking/build.ts'

/** Bytes that the whole pixel may take on the wire, compressed with gzip at its best. */
const gzipBytesMax = 6144

t.test('the whole pixel is not larger than 6 KB', async (t) => {
  const file = describeFile('tracking.js', await buildScript('pixel/script.ts', 'tracking.js'))
  t.ok(file.gzipBytes <= gzipBytesMax, `${file.gzipBytes} of ${gzipBytesMax} bytes`)
  t.match(file.integrity, /^sha384-[\w+/]{64}$/)
})

t.test('two builds of the same sources are the same file', async (t) => {
  const builds = [
    await buildScript('pixel/script.ts', 'tracking.js'),
    await buildScript('pixel/script.ts', 'tracking.js'),
  ]
  t.same(builds[0], builds[1])
})

t.test('the pixel neither writes cookies nor listens for unload', async (t) => {
  const text = Buffer.from(await buildScript('pixel/script.ts', 'tracking.js')).toString()
  t.notMatch(text, /\.cookie|unload|preventDefault|eval\(/)
})
