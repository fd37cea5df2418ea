import { mkdtemp, rm, stat } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import S3rver from 's3rver'
import Store from 's3rver/lib/stores/filesystem.js'

// s3rver answers a PUT before the file is written, or even made, so that a HEAD right after it may see nothing yet. S3 does
// not.
const { putObject } = Store.prototype
Store.prototype.putObject = async function (object) {
  const stored = await putObject.call(this, object)
  const file = this.getResourcePath(object.bucket, object.key, 'object')
  const sizeNow = () =>
    stat(file).then(
      ({ size }) => size,
      () => -1,
    )
  while ((await sizeNow()) !== stored.size) await setImmediate()
  return stored
}

export type TestS3 = { endpoint: string; folder: string; close(): Promise<void> }

/** An S3 API over HTTP on a free loopback port, with these buckets. Its keys are S3RVER and S3RVER. */
export const startTestS3 = async (buckets: readonly string[]): Promise<TestS3> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'evothesis-s3-'))
  const server = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: folder,
    configureBuckets: buckets.map((name) => ({ name, configs: [] })),
  })
  const address = (await server.run()) as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    folder,
    async close() {
      await server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
