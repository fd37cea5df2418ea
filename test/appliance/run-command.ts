import { existsSync } from 'node:fs'
import path from 'node:path'
import { collectOutput, runProgram } from '../support/server.ts'

// As built where it is, because some tests start it thirty times.
const built = existsSync(path.join(import.meta.dirname, '../../dist/bin/drill.js'))

/** Runs a command as its user does, until all that it said has arrived. */
export const runCommand = async (
  args: string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | string; said: string }> => {
  const child = runProgram(args, env, built)
  const said = collectOutput(child)
  const code = await new Promise<number | string>((resolve) =>
    child.once('close', (status, signal) => resolve(status ?? signal ?? 'unknown')),
  )
  return { code, said: said() }
}
