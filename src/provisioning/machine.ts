import { spawn } from 'node:child_process'
import { createReadStream, existsSync, statSync, type WriteStream } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { sshEnvironment } from '../config.ts'
import { AppError } from '../errors.ts'

/** A client's machine, reached by ssh and rsync: whatever provider it is of. */
export type Machine = {
  host: string
  /** Where the appliance lies on it. */
  folder: string
  /**
   * Runs a command line in the appliance's folder; resolves to its standard output. Throws `machine_failed` with its last
   * words, unless its exit code is one of `allowed`.
   */
  run(command: string, options?: { input?: string; inputFile?: string; output?: WriteStream }): Promise<string>
  /** Makes its folder like this one, secrets and certificates left alone. */
  send(folder: string): Promise<void>
}
export type MachineOptions = {
  host: string
  folder?: string
  port?: string
  identity?: string
  /** The file that holds the keys of hosts; default: ssh's own of whoever runs this. */
  knownHosts?: string
}

const wordsMax = 4_000
export const defaultFolder = '/opt/evothesis'

/** Throws `usage_invalid` for a host or folder that ssh or a shell would read otherwise. */
export const sshMachine = ({ host, folder = defaultFolder, port, identity, knownHosts }: MachineOptions): Machine => {
  if (!/^([\w.-]+@)?[\w.:[\]-]+$/.test(host) || host.startsWith('-'))
    throw new AppError('usage_invalid', `${host} is not a host such as root@203.0.113.7.`)
  if (!/^\/[\w./-]+$/.test(folder)) throw new AppError('usage_invalid', `${folder} is not an absolute folder.`)
  if (port !== undefined && !/^\d{1,5}$/.test(port)) throw new AppError('usage_invalid', '--port is a number.')
  const ssh = [
    ...['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=15', '-o', 'StrictHostKeyChecking=accept-new'],
    ...(port === undefined ? [] : ['-p', port]),
    ...(identity === undefined ? [] : ['-i', identity]),
    ...(knownHosts === undefined ? [] : hostsOption(knownHosts)),
  ]
  return {
    host,
    folder,
    run: (command, options = {}) =>
      start('ssh', [...ssh, host, '--', `cd ${folder} && ${command}`], `${host}: ${command.split('\n')[0]}`, options),
    async send(from) {
      await start('ssh', [...ssh, host, '--', `mkdir -p ${folder} && chmod 750 ${folder}`], `${host}: mkdir`, {})
      const shell = ['ssh', ...ssh].map(quoted).join(' ')
      const kept = ['/secrets', '/certificates', '/previous', '/previous.part', '/volumes', '/images.tar'].map(
        (one) => `--exclude=${one}`,
      )
      await start(
        'rsync',
        ['-a', '--checksum', '--delete', '--chmod=go-w', ...kept, '-e', shell, `${from}/`, `${host}:${folder}/`],
        `rsync to ${host}`,
        {},
      )
    },
  }
}

/** A file that ssh cannot keep a key in would make every key a new one: nothing would be held against it. */
const hostsOption = (name: string): string[] => {
  // In quotes, as ssh takes words for files; resolved, as it begins in a folder of its own choice.
  const file = path.resolve(name)
  if (name === '' || name.startsWith('~') || /["%$\\\n\r]/.test(file))
    throw new AppError('usage_invalid', `--known-hosts: ${name || 'an empty name'} is not a file that ssh would find.`)
  const isThere = statSync(file, { throwIfNoEntry: false })
  if (isThere ? !isThere.isFile() : !existsSync(path.dirname(file)))
    throw new AppError('usage_invalid', `--known-hosts: ${file} is not a file, nor can it be made there.`)
  return ['-o', `UserKnownHostsFile="${file}"`]
}

/** As rsync splits the value of -e. */
const quoted = (word: string): string => (/^[\w=./@:-]+$/.test(word) ? word : `'${word.replaceAll("'", "''")}'`)

const start = async (
  program: string,
  args: readonly string[],
  what: string,
  { input, inputFile, output }: { input?: string; inputFile?: string; output?: WriteStream },
): Promise<string> => {
  const child = spawn(program, [...args], { env: sshEnvironment(), stdio: ['pipe', 'pipe', 'pipe'] })
  let [said, words] = ['', '']
  child.stderr.on('data', (chunk: Buffer) => {
    words = `${words}${chunk.toString('utf8')}`.slice(-wordsMax)
  })
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new AppError('machine_failed', `${program} could not be started: ${cause.message}`, { cause })),
    )
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
  // A command that ends early closes its input; its exit code says why.
  child.stdin.on('error', () => undefined)
  const fed =
    inputFile === undefined ? undefined : pipeline(createReadStream(inputFile), child.stdin).catch(() => undefined)
  if (inputFile === undefined) child.stdin.end(input ?? '')
  if (output) await pipeline(child.stdout, output)
  else for await (const chunk of child.stdout) said += (chunk as Buffer).toString('utf8')
  const code = await ended
  await fed
  if (code !== 0)
    throw new AppError('machine_failed', `${what} ended with ${code}: ${(words || said).trim().slice(-wordsMax)}`)
  return said
}
