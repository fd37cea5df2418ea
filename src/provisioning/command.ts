import { parseArgs } from 'node:util'
import { AppError, messageOf } from '../errors.ts'
import { applianceFolder, differencesOf, writeFolder } from './folder.ts'
import { keygen } from './keygen.ts'
import { newClient } from './new-client.ts'
import { readAppliance, validate } from './validate.ts'

export type ProvisionIo = { stdout: NodeJS.WritableStream }

const help = `Usage: evothesis provision <action> [options]

  keygen FILE                 Makes a key pair of age for backups: private key to FILE, public key printed.
  new NAME --domain HOST --out DIR --recipient KEY --recipient KEY
      [--ssh-key KEY] [--client-bucket B] [--backup-bucket B] [--region R] [--email E]
                              Writes DIR/client.yaml and renders it. KEY is a public key, or the file that holds it.
  render DIR                  Renders DIR/client.yaml into DIR/appliance.
  validate DIR                Checks client.yaml, the rules of hardening, the settings, and that DIR/appliance is as rendered.
  diff DIR                    Shows what differs between DIR/appliance and client.yaml.

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
  const answer = await run(subject, values)
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

const actions: Record<string, (subject: string, values: Given) => Promise<Answer>> = {
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
  async render(folder) {
    const { files } = readAppliance(folder)
    writeFolder(applianceFolder(folder), files)
    const place = applianceFolder(folder)
    return {
      value: { folder: place, files: files.length },
      text: `Rendered ${files.length} files into ${place}.\n`,
      ok: true,
    }
  },
  async validate(folder) {
    const appliance = readAppliance(folder)
    const found = validate(folder, appliance)
    const lines = [
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
  async diff(folder) {
    const differences = differencesOf(applianceFolder(folder), readAppliance(folder).files)
    const text = differences.map((one) => `${one.what.padEnd(8)}${one.path}\n`).join('')
    return { value: { differences }, text: text || 'Nothing differs.\n', ok: differences.length === 0 }
  },
}
