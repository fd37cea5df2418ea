import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const sourceProgram = fileURLToPath(new URL('../../src/bin/evothesis.ts', import.meta.url))
const builtProgram = fileURLToPath(new URL('../../dist/bin/evothesis.js', import.meta.url))
const startMsMax = 60_000

export type TestServer = {
  process: ChildProcess
  address: string
  adminToken: string
  /** All that it printed so far. */
  output(): string
  /** Resolves to the exit code, or the signal's name. */
  exited: Promise<number | string>
  admin<T>(method: 'GET' | 'POST', route: string): Promise<T>
}

/** The environment of a test: nothing of the outside but what a program needs to run. */
export const testEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  ...(process.env.TMPDIR && { TMPDIR: process.env.TMPDIR }),
  LOG_LEVEL: 'warn',
  EXPORT_SCHEDULE: 'off',
  HOST: '127.0.0.1',
  PORT: '0',
  ...env,
})

/** Runs the program as a process of its own, from source or as built, in a folder without .env. */
export const runProgram = (args: string[], env: NodeJS.ProcessEnv, built = false): ChildProcess =>
  spawn(process.execPath, built ? [builtProgram, ...args] : ['--import', 'tsx', sourceProgram, ...args], {
    // tsx is found from here; there is no .env in this folder.
    cwd: path.dirname(fileURLToPath(import.meta.url)),
    env: testEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })

export const collectOutput = (child: ChildProcess): (() => string) => {
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += chunk
  })
  child.stderr?.on('data', (chunk) => {
    text += chunk
  })
  return () => text
}

export const exitOf = (child: ChildProcess): Promise<number | string> =>
  new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown')))

/** Starts the whole program on a folder and waits for its banner. */
export const startServer = async (
  dataDir: string,
  env: NodeJS.ProcessEnv = {},
  { built = false } = {},
): Promise<TestServer> => {
  const child = runProgram(['start'], { DATA_DIR: dataDir, ...env }, built)
  const output = collectOutput(child)
  const exited = exitOf(child)
  const address = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no banner within ${startMsMax} ms:\n${output()}`)), startMsMax)
    const look = () => {
      const found = /Collect\s+(http:\/\/\S+)\/collect/.exec(output())?.[1]
      if (found === undefined || !output().includes('Ctrl-C')) return
      clearTimeout(timer)
      resolve(found)
    }
    child.stdout?.on('data', look)
    void exited.then((code) => {
      clearTimeout(timer)
      reject(new Error(`ended with ${code}:\n${output()}`))
    })
  })
  const adminToken = env.ADMIN_TOKEN ?? (await readFile(path.join(dataDir, 'admin-token'), 'utf8')).trim()
  return {
    process: child,
    address,
    adminToken,
    output,
    exited,
    async admin<T>(method: 'GET' | 'POST', route: string) {
      const response = await fetch(`${address}${route}`, {
        method,
        headers: { authorization: `Bearer ${adminToken}` },
      })
      if (!response.ok) throw new Error(`${route} answered ${response.status}: ${await response.text()}`)
      return (await response.json()) as T
    },
  }
}
