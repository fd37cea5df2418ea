import { crc32 } from 'node:zlib'
import type { Group } from './group.ts'

/**
 * A record of the spool: a whole group. 4 bytes mark, 4 bytes length, 4 bytes CRC-32 of the payload, then the payload,
 * JSON in UTF-8. The mark lets a reader find the next record behind a damaged one.
 */
const mark = Buffer.from('EVS1')
const headerBytes = 12
const recordVersion = 1

export const encodeRecord = (group: Group): Buffer => {
  const payload = Buffer.from(JSON.stringify({ version: recordVersion, ...group }))
  const header = Buffer.alloc(headerBytes)
  mark.copy(header)
  header.writeUInt32BE(payload.length, 4)
  header.writeUInt32BE(crc32(payload), 8)
  return Buffer.concat([header, payload])
}

export type ReadRecords = {
  groups: Group[]
  /** Bytes of a last record that was never finished, so never acknowledged. */
  tornBytes: number
  /** Bytes that were whole once and do not match their checksum, or are no record at all. */
  damagedBytes: number
}

/** All records of a segment. Never throws for what is in it: a torn tail is cut, damage is skipped and counted. */
export const decodeRecords = (segment: Buffer): ReadRecords => {
  const read: ReadRecords = { groups: [], tornBytes: 0, damagedBytes: 0 }
  let at = 0
  while (at < segment.length) {
    const record = recordAt(segment, at)
    if (record.group) {
      read.groups.push(record.group)
      at += record.bytes
      continue
    }
    const next = segment.indexOf(mark, at + 1)
    if (next === -1 && record.torn) read.tornBytes += segment.length - at
    else read.damagedBytes += (next === -1 ? segment.length : next) - at
    at = next === -1 ? segment.length : next
  }
  return read
}

const recordAt = (segment: Buffer, at: number): { group?: Group; bytes: number; torn: boolean } => {
  const isMark = segment.subarray(at, at + 4).equals(mark.subarray(0, segment.length - at))
  if (!isMark) return { bytes: 0, torn: false }
  if (segment.length - at < headerBytes) return { bytes: 0, torn: true }
  const length = segment.readUInt32BE(at + 4)
  const end = at + headerBytes + length
  if (end > segment.length) return { bytes: 0, torn: true }
  const payload = segment.subarray(at + headerBytes, end)
  if (crc32(payload) !== segment.readUInt32BE(at + 8)) return { bytes: 0, torn: false }
  const { version, commitKey, submissions } = JSON.parse(payload.toString('utf8')) as Group & { version: number }
  return version === recordVersion
    ? { group: { commitKey, submissions }, bytes: headerBytes + length, torn: false }
    : { bytes: 0, torn: false }
}
