import type { Command } from './command.ts'

/** Commands for whoever runs machines: one, or a fleet of them. */
export const machineCommands: Record<string, Command> = {
  doctor: {
    line: 'Examine this machine: disk, clock, certificate, database, buckets, backups, ports.',
    run: async (args) => (await import('./doctor.ts')).runDoctor(args),
  },
  backup: {
    line: 'Back up this machine, encrypted, into the backup destination.',
    run: async (args) => (await import('./backup.ts')).runBackup(args),
  },
  restore: {
    line: 'Restore this machine from a backup, and adopt what was delivered since.',
    run: async (args) => (await import('./restore.ts')).runRestore(args),
  },
  drill: {
    line: 'Prove that a backup can be restored: counts, one part and one statement made again.',
    run: async (args) => (await import('./drill.ts')).runDrill(args),
  },
  provision: {
    line: 'new | render | validate | apply | diff | upgrade | rotate | offboard: a machine per client, from one file.',
    run: async (args) => (await import('./provision.ts')).runProvision(args),
  },
  fleet: {
    line: 'list | status | bill: all clients, from their files and the backup bucket alone.',
    run: async (args) => (await import('./fleet.ts')).runFleet(args),
  },
}
