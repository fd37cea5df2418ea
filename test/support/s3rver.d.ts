declare module 's3rver' {
  import type { AddressInfo } from 'node:net'
  export default class S3rver {
    constructor(options: {
      address: string
      port: number
      silent: boolean
      directory: string
      configureBuckets: { name: string; configs: string[] }[]
    })
    run(): Promise<AddressInfo>
    close(): Promise<void>
  }
}
declare module 's3rver/lib/stores/filesystem.js' {
  type Stored = { bucket: string; key: string }
  export default class FilesystemStore {
    putObject(object: Stored): Promise<{ size: number }>
    getResourcePath(bucket: string, key: string, resource: string): string
  }
}
