import type { Command } from './command.ts'
import { machineCommands } from './machine-commands.ts'

/** Every command, loaded when it is asked for. */
export const commands: Record<string, Command> = {
  start: {
    line: 'Run everything: collector, exporter, database where none is set.',
    run: async (args) => (await import('./start.ts')).runStart(args),
  },
  collect: {
    line: 'Run the collector alone, beside a worker.',
    run: async (args) => (await import('./collect.ts')).runCollect(args),
  },
  worker: {
    line: 'Run everything but the collector: exporter, billing, webhooks.',
    run: async (args) => (await import('./worker.ts')).runWorker(args),
  },
  migrate: {
    line: 'Bring the database to the version of this program.',
    run: async (args) => (await import('./migrate.ts')).runMigrate(args),
  },
  export: {
    line: 'run | status | verify | replay | adopt: make and deliver files, show what waits, prove it.',
    run: async (args) => (await import('./export.ts')).runExport(args),
  },
  verify: {
    line: 's3://bucket/prefix or a folder: check what was delivered, from the files alone.',
    run: async (args) => (await import('./export.ts')).runVerify(args),
  },
  billing: {
    line: 'usage | domains | statement | reconcile: what was metered and billed, and the proof.',
    run: async (args) => (await import('./billing.ts')).runBilling(args),
  },
  webhooks: {
    line: 'list | add | send-test | replay | rotate: who is told what happened.',
    run: async (args) => (await import('./webhooks.ts')).runWebhooks(args),
  },
  notes: {
    line: 'run | prompt | status: write notes about what is new, and see what was found.',
    run: async (args) => (await import('./notes.ts')).runNotes(args),
  },
  forget: {
    line: '--visitor ID | --user ID: erase a person, in delivered files, too.',
    run: async (args) => (await import('./privacy.ts')).runForget(args),
  },
  privacy: {
    line: 'export | list: what is held of a person; erasures and how far they are.',
    run: async (args) => (await import('./privacy.ts')).runPrivacy(args),
  },
  token: {
    line: 'create | list | revoke: tokens for people and programs, by role.',
    run: async (args) => (await import('./token.ts')).runToken(args),
  },
  warehouse: {
    line: 'duckdb | athena | bigquery | …: the SQL that makes the files a table.',
    run: async (args) => (await import('./export.ts')).runWarehouse(args),
  },
  ...machineCommands,
  demo: {
    line: 'traffic: send visits of a made-up shop to a collector.',
    run: async (args) => (await import('./demo.ts')).runDemo(args),
  },
}
