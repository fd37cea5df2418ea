import type { Readable } from 'node:stream'
import { isAppError } from '../errors.ts'
import type { DestinationName } from '../types.ts'

/** A file on the local disk that is to be delivered. */
export type LocalFile = { path: string; bytes: number; sha256: string }

/** What was read back from the destination, and how: the proof of a delivery. */
export type Evidence = {
  method: 'sha256' | 'composite-sha256' | 'crc64nvme' | 'crc32' | 'read-back'
  bytes: number
  sha256: string
}

/** `tag` changes whenever the object is written anew; it says nothing about its bytes. */
export type Listed = { key: string; bytes: number; tag: string | undefined }
export type Stat = { bytes: number; sha256: string | undefined; tag: string | undefined }

export type Destination = {
  name: DestinationName
  /** Endpoint, bucket and prefix, or the folder: what "verified" was said of. */
  identity: string
  /** Settings for people; no secrets. */
  describe(): Record<string, string | boolean>
  /**
   * Creates an object and reads back the evidence. Never overwrites: an equal object that is there already is success,
   * a different one is `destination_mismatch`. Throws `destination_refused` (401, 403, no such bucket) or
   * `destination_failed` (network, 5xx, 429 …); both are safe to try again.
   */
  create(key: string, file: LocalFile): Promise<Evidence>
  /**
   * Writes an object whatever is there, and reads back the evidence: for erasure, which is the only rewrite of a delivered
   * file, and for documents that are brought up to date (statements, notes). Throws as `create`.
   */
  replace(key: string, file: LocalFile): Promise<Evidence>
  /** Removes an object; one that is not there is removed already. */
  remove(key: string): Promise<void>
  /** Reads an object; undefined when there is none. */
  read(key: string): Promise<Readable | undefined>
  /** Size of an object, and the SHA-256 (hex) that the server itself keeps of it, where it does; undefined when there is none. */
  stat(key: string): Promise<Stat | undefined>
  /** Objects below a prefix in the order of their keys, after `startAfter`; keys relative to the destination's own prefix. */
  list(prefix: string, startAfter?: string): AsyncIterable<Listed>
  /**
   * Aborts uploads in parts that a killed process left behind, of the keys that `isOurs` says; resolves to their number.
   * They cost storage and show nowhere. Throws as `create`; a server that cannot list them is left as it is.
   */
  sweep(isOurs: (key: string) => boolean): Promise<number>
  close(): void
}

/** `retry`: try again later. `parked`: waits for the client. `quarantined`: somebody must look. */
export type Fault = 'retry' | 'parked' | 'quarantined'

/** The one place that decides whose fault a failed delivery is. */
export const classifyFault = (error: unknown): Fault => {
  if (!isAppError(error)) return 'retry'
  if (error.code === 'destination_refused' || error.code === 'export_prefix_taken') return 'parked'
  if (error.code === 'destination_mismatch') return 'quarantined'
  return 'retry'
}

export const readText = async (stream: Readable): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}
