import { z } from 'zod'
import { destinationNames, exportFormats } from '../../types.ts'
import type { Described } from '../describe.ts'

const outcome = z.looseObject({
  destination: z.string(),
  state: z.string(),
  deliveries: z.number(),
  attempts: z.number(),
  error: z.string().nullable(),
})
const report = { parts: z.number(), events: z.number(), held: z.string().nullable(), destinations: z.array(outcome) }
const counted = z.object({ events: z.number(), batches: z.number() })
const instant = z.union([z.iso.datetime({ offset: true }), z.iso.date()])

const destination = z.looseObject({
  destination: z.enum(destinationNames),
  state: z.enum(['up to date', 'behind', 'failing', 'parked', 'quarantined']),
  last_part: z.object({ epoch: z.string(), part: z.number(), verified_at: z.string().nullable() }).nullable(),
  ...{ parts_waiting: z.number(), events_waiting: z.number(), parts_quarantined: z.number() },
  lag_seconds: z.number(),
  ...{ attempts: z.number(), error: z.string().nullable(), next_attempt_at: z.string().nullable() },
})

export const exportDescribed: readonly Described[] = [
  {
    ...{ method: 'POST', path: '/export/run', role: 'operator', status: 202 },
    query: z.strictObject({ wait: z.boolean().default(false) }),
    answer: z.object({ status: z.enum(['started', 'done']) }),
    summary:
      'Makes files of everything that waits, and tries every open delivery. With wait=true it answers 200 when done.',
  },
  {
    ...{ method: 'POST', path: '/export/replay', role: 'operator' },
    query: z.strictObject({
      ...{ from: instant, to: instant },
      ...{ destination: z.enum(destinationNames).optional(), format: z.enum(exportFormats).optional() },
    }),
    answer: z.object({ status: z.literal('done'), opened: z.number(), ...report }),
    summary: 'Delivers parts of a time again.',
  },
  {
    ...{ method: 'POST', path: '/export/verify', role: 'operator' },
    answer: z.object({
      destinations: z.array(
        z.looseObject({
          ...{
            destination: z.string(),
            manifests: z.number(),
            objects: z.number(),
            bytes: z.number(),
            events: z.number(),
          },
          problems: z.array(z.looseObject({ kind: z.string(), key: z.string(), message: z.string() })),
        }),
      ),
    }),
    summary:
      'Checks every destination from its manifests: chains, files, sizes, checksums that it keeps itself. How far it is stands in /export/status; who asks meanwhile is given the same answer.',
  },
  {
    ...{ method: 'POST', path: '/export/adopt', role: 'operator' },
    answer: z.object({ manifests: z.number(), events: z.number(), epoch: z.string() }),
    summary: 'Takes over what an earlier life of this database delivered.',
  },
  {
    ...{ method: 'GET', path: '/export/status', role: 'viewer' },
    answer: z.looseObject({
      epoch: z.string(),
      ...{ buffered: counted, unclaimed: counted, parts: z.number(), last_part_at: z.string().nullable() },
      destinations: z.array(destination),
      running: z.looseObject({ rows: z.number(), rowsTotal: z.number(), parts: z.number() }).nullable(),
      verifying: z
        .array(
          z.object({
            destination: z.string(),
            done_bytes: z.number(),
            total_bytes: z.number().describe('0 while manifests are read.'),
            finished: z.boolean(),
          }),
        )
        .nullable(),
      next_run_at: z.string().nullable(),
      retention: z.looseObject({ buffer_hours: z.number() }),
    }),
    summary: 'How far each destination is, what waits, and what the buffer holds.',
  },
  {
    ...{ method: 'GET', path: '/export/config', role: 'viewer' },
    answer: z.looseObject({
      client_id: z.string(),
      node_id: z.string(),
      formats: z.array(z.string()),
      warehouse: z.unknown(),
    }),
    summary: 'How files are made, and the SQL that makes them a table.',
  },
]
