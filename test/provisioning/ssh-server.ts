import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

/** Why there can be no machine to reach by ssh here; false when there can. */
export const withoutSshd: string | false =
  spawnSync('sh', ['-c', 'command -v sshd || test -x /usr/sbin/sshd']).status !== 0
    ? 'sshd is not installed (apt-get install openssh-server)'
    : spawnSync('sh', ['-c', 'command -v ssh && command -v rsync']).status !== 0
      ? 'ssh and rsync are not installed'
      : process.getuid?.() !== 0 && 'a machine of our own needs root'

export type TestMachine = {
  port: number
  identity: string
  /** Of this machine alone: another one may have had the same port, and another key. */
  knownHosts: string
  /** Where the appliance lies on it. */
  folder: string
  /** What its docker was asked, one line each. */
  asked(): string[]
  /** What its docker answers: shell commands that are run before it answers with success. */
  answer(script: string): void
}

/**
 * A machine that is reached by a real sshd, on a port of loopback, with rsync, bash and everything else of this machine. Its
 * docker is a stand-in that writes down what it is asked: the real one is tried in containers.sh.
 */
export const startMachine = async (t: { teardown(fn: () => unknown): void }, folder: string): Promise<TestMachine> => {
  const at = (name: string) => path.join(folder, name)
  for (const name of ['host', 'user']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(name)])
  mkdirSync(at('bin'))
  writeFileSync(
    at('bin/docker'),
    `#!/bin/bash\necho "$*" >> ${at('asked')}\nif [ -f ${at('answer')} ]; then . ${at('answer')}; fi\n` +
      `case "$*" in\n  "compose config --images") echo app:1; echo web:1 ;;\n  "compose config --services") printf 'timescaledb\\ncollect\\nworker\\nbackup\\nnginx\\n' ;;\n` +
      `  "compose config --volumes") printf 'data\\ndatabase\\n' ;;\n  *"backup --json") echo '{"name":"20261120T020000Z"}' ;;\n  "load"*) cat >> ${at('loaded')} ;;\n  *psql*) cat >> ${at('sql')} ;;\n  "save -o "*) echo images > "$3" ;;\n` +
      `  "compose run "*" -c -C "*) echo "volume of $8" ;;\n  "compose run "*" -x -C "*) cat >> ${at('unpacked')} ;;\nesac\n`,
  )
  chmodSync(at('bin/docker'), 0o755)
  const port = await freePort()
  writeFileSync(
    at('sshd_config'),
    [
      ...[`Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${at('host')}`, `AuthorizedKeysFile ${at('user.pub')}`],
      ...[`PidFile ${at('sshd.pid')}`, 'StrictModes no', 'UsePAM no', 'PasswordAuthentication no'],
      ...[
        'PermitRootLogin prohibit-password',
        `SetEnv PATH=${at('bin')}:/usr/sbin:/usr/bin:/sbin:/bin WAIT_SECONDS=5`,
        '',
      ],
    ].join('\n'),
  )
  mkdirSync('/run/sshd', { recursive: true })
  const sshd = existsSync('/usr/sbin/sshd') ? '/usr/sbin/sshd' : 'sshd'
  const child = spawn(sshd, ['-D', '-e', '-f', at('sshd_config')], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGTERM'))
  await until('sshd listens', () => listens(port))
  return {
    ...{ port, identity: at('user'), knownHosts: at('known hosts'), folder: at('machine') },
    asked: () => (existsSync(at('asked')) ? readFileSync(at('asked'), 'utf8').trim().split('\n') : []),
    answer: (script) => writeFileSync(at('answer'), script),
  }
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
