import { parseArgs } from 'node:util'
import { AppError, messageOf } from '../errors.ts'
import { apply, driftOf } from './apply.ts'
import { applianceFolder, differencesOf, writeFolder } from './folder.ts'
import { keygen } from './keygen.ts'
import { sshMachine } from './machine.ts'
import { newClient } from './new-client.ts'
import { deleteMachine, offboard } from './offboard.ts'
import { loadRelease } from './release.ts'
import { resolveImages } from './resolve-images.ts'
import { rotate } from './rotate.ts'
import { upgrade } from './upgrade.ts'
import { readAppliance, validate } from './validate.ts'

export type ProvisionIo = {
  stdout: NodeJS.WritableStream
  /** Says what is wrong with export.rules; handed in, because rooms meet in the composition root. */
  rulesProblem?: (rules: unknown) => string | null
}

const help = `Usage: evothesis provision <action> [options]

  keygen FILE                 Makes a key pair of age for backups: private key to FILE, public key printed.
  new NAME --domain HOST --out DIR --recipient KEY --recipient KEY
      [--ssh-key KEY] [--client-bucket B] [--backup-bucket B] [--region R] [--email E]
                              Writes DIR/client.yaml and renders it. KEY is a public key, or the file that holds it.
  render DIR [--resolve]      Renders DIR/client.yaml into DIR/appliance; --resolve asks the registries for the digests of
                              the images first, and keeps them in DIR/images.lock.yaml.
  validate DIR                Checks client.yaml, the rules of hardening, the settings, and that DIR/appliance is as rendered.
  diff DIR [--host HOST]      Shows what differs between client.yaml and DIR/appliance, or the files on its machine.
  apply DIR --host HOST [--secrets DIR] [--images FILE]
                              Brings it to its machine by ssh and rsync, and starts it.
  upgrade DIR --host HOST [--confirm GATE] [--images FILE]
                              Takes the machine to the release in client.yaml: backup, drill, new containers, else back.
  rotate DIR --host HOST --secret NAME|tls [--from DIR]
                              Changes one secret: the file, the database's role and the containers, in one step.
  offboard DIR --host HOST --out FILE [--delete NAME]
                              Delivers everything, and brings what the client needs to go on without us; --delete then
                              removes all of it from the machine, and writes FILE.deletion.json.

  --port N, --identity FILE   Of ssh.
  --known-hosts FILE          Keys of hosts: one that FILE names must show that key, another one's is added to it.
                              Default: the file of ssh itself, in the same way.
  --folder DIR                On the machine; default /opt/evothesis.
  --dry-run                   Says what apply or upgrade would do.
  --json                      Prints the answer as JSON.

Exit code: 0 done and nothing differs, 1 problems or differences, 2 wrong usage.
`
type Answer = { value: unknown; text: string; ok: boolean }
type Given = ReturnType<typeof parse>['values']

/** `evothesis provision …`. Resolves to the exit code. */
export const provisionCommand = async (args: string[], io: ProvisionIo): Promise<number> => {
  const { values, positionals } = parse(args)
  if (values.help) {
    io.stdout.write(help)
    return 0
  }
  const [action = '', subject, ...rest] = positionals
  const run = actions[action]
  if (!run || subject === undefined || rest.length > 0) throw new AppError('usage_invalid', help)
  const answer = await run(subject, values, io)
  io.stdout.write(values.json ? `${JSON.stringify(answer.value, null, 2)}\n` : answer.text)
  return answer.ok ? 0 : 1
}

const parse = (args: string[]) => {
  const [text, texts, flag] = [{ type: 'string' }, { type: 'string', multiple: true }, { type: 'boolean' }] as const
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...{
          domain: text,
          out: text,
          recipient: texts,
          'ssh-key': texts,
          'client-bucket': text,
          'backup-bucket': text,
        },
        ...{ region: text, email: text, json: flag, help: { ...flag, short: 'h' } },
        ...{ host: text, port: text, identity: text, folder: text, secrets: text, images: text, 'dry-run': flag },
        ...{ 'known-hosts': text, resolve: flag, confirm: texts, secret: text, from: text, delete: text },
      },
    })
  } catch (error) {
    throw new AppError('usage_invalid', `${messageOf(error)}\n\n${help}`)
  }
}

const needed = (values: Given, ...names: (keyof Given)[]): void => {
  for (const name of names)
    if (values[name] === undefined) throw new AppError('usage_invalid', `--${name} is missing.\n\n${help}`)
}

const actions: Record<string, (subject: string, values: Given, io: ProvisionIo) => Promise<Answer>> = {
  async keygen(file) {
    const recipient = await keygen(file)
    return { value: { file, recipient }, text: `${recipient}\n`, ok: true }
  },
  async new(name, values) {
    needed(values, 'domain', 'out')
    const { domain = '', out = '', region, email } = values
    const file = newClient({
      ...{ name, domain, out, recipients: values.recipient ?? [], sshKeys: values['ssh-key'] ?? [] },
      ...(values['client-bucket'] !== undefined && { clientBucket: values['client-bucket'] }),
      ...(values['backup-bucket'] !== undefined && { backupBucket: values['backup-bucket'] }),
      ...(region !== undefined && { region }),
      ...(email !== undefined && { email }),
    })
    return { value: { file }, text: `Wrote ${file} and ${applianceFolder(out)}. Next: its README.md.\n`, ok: true }
  },
  async render(folder, values) {
    if (values.resolve) {
      const { client } = readAppliance(folder)
      await resolveImages(folder, client, loadRelease(client.release))
    }
    const { files } = readAppliance(folder)
    writeFolder(applianceFolder(folder), files)
    const place = applianceFolder(folder)
    return {
      value: { folder: place, files: files.length },
      text: `Rendered ${files.length} files into ${place}.\n`,
      ok: true,
    }
  },
  async validate(folder, _values, { rulesProblem }) {
    const appliance = readAppliance(folder)
    const { rules } = appliance.client.export
    const wrongRules = rules === undefined ? null : (rulesProblem?.(rules) ?? null)
    const checked = validate(folder, appliance)
    const found = { ...checked, rules: wrongRules, ok: checked.ok && wrongRules === null }
    const lines = [
      ...(wrongRules === null ? [] : [`export.rules: ${wrongRules}`]),
      ...found.breaches.map((one) => `${one.where}: ${one.message} (${one.rule})`),
      ...(found.settings === null ? [] : [found.settings]),
      ...found.differences.map((one) => `${one.path}: ${one.what}; run: evothesis provision render ${folder}`),
    ]
    const summary = `${appliance.client.name} at ${appliance.client.domain}, release ${appliance.release.version}`
    return {
      value: found,
      text: found.ok ? `${summary}: ${appliance.files.length} files, no problem.\n` : `${lines.join('\n')}\n`,
      ok: found.ok,
    }
  },
  async diff(folder, values) {
    const appliance = readAppliance(folder)
    const differences =
      values.host === undefined
        ? differencesOf(applianceFolder(folder), appliance.files)
        : await driftOf(machineOf(values), appliance)
    const text = differences.map((one) => `${one.what.padEnd(8)}${one.path}\n`).join('')
    return { value: { differences }, text: text || 'Nothing differs.\n', ok: differences.length === 0 }
  },
  async apply(folder, values) {
    const appliance = readAppliance(folder)
    const { steps, changed } = await apply(machineOf(values), folder, appliance, bringing(values))
    const text = values['dry-run']
      ? `Would ${steps.join(';\n      ')}.\n`
      : `${appliance.client.name} runs at https://${appliance.client.domain}. ${changed.length} files were new.\n`
    return { value: { steps, changed }, text, ok: true }
  },
  async upgrade(folder, values) {
    const options = { ...bringing(values), confirmed: values.confirm ?? [] }
    const done = await upgrade(machineOf(values), folder, readAppliance(folder), options)
    const text = values['dry-run']
      ? `Would go from ${done.from} to ${done.to}: ${done.steps.join(', ')}.\n`
      : `Upgraded from ${done.from} to ${done.to}.\n`
    return { value: done, text, ok: true }
  },
  async rotate(folder, values) {
    needed(values, 'secret')
    const names = await rotate(machineOf(values), readAppliance(folder).client, values.secret ?? '', values.from)
    return { value: { rotated: names }, text: `Changed ${names.join(' and ')}.\n`, ok: true }
  },
  async offboard(folder, values) {
    needed(values, 'out')
    const { out = '' } = values
    const machine = machineOf(values)
    const { client } = readAppliance(folder)
    const bundle = await offboard(machine, client, { out, deleteConfirmed: values.delete })
    const deleted = values.delete === undefined ? null : await deleteMachine(machine, client, values.delete, bundle)
    return {
      value: { ...bundle, deleted },
      text: `${out}: ${bundle.bytes} bytes, sha256 ${bundle.sha256}. ${deleted ? `Everything was removed; the record is ${deleted}.` : 'The machine is stopped, and still holds its data.'}\n`,
      ok: true,
    }
  },
}

const machineOf = (values: Given) => {
  needed(values, 'host')
  const { host = '', port, identity, folder, 'known-hosts': knownHosts } = values
  return sshMachine({
    host,
    ...(port !== undefined && { port }),
    ...(identity !== undefined && { identity }),
    ...(folder !== undefined && { folder }),
    ...(knownHosts !== undefined && { knownHosts }),
  })
}

const bringing = ({ secrets, images, 'dry-run': dryRun }: Given) => ({
  ...(secrets !== undefined && { secrets }),
  ...(images !== undefined && { images }),
  dryRun: dryRun === true,
})
