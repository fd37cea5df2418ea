import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../errors.ts'
import type { RenderedFile } from './render.ts'

/** Where a client's rendered files lie, beside its client.yaml. */
export const applianceFolder = (clientFolder: string): string => path.join(clientFolder, 'appliance')

export type Difference = { path: string; what: 'missing' | 'changed' | 'mode' | 'extra' }

/** What a folder has otherwise than it would be rendered; nothing when it is just that. */
export const differencesOf = (folder: string, files: readonly RenderedFile[]): Difference[] => {
  const differences: Difference[] = []
  for (const file of files) {
    const place = path.join(folder, file.path)
    if (!existsSync(place)) differences.push({ path: file.path, what: 'missing' })
    else if (readFileSync(place, 'utf8') !== file.text) differences.push({ path: file.path, what: 'changed' })
    else if (((statSync(place).mode & 0o111) !== 0) !== (file.mode === '0755'))
      differences.push({ path: file.path, what: 'mode' })
  }
  const known = new Set(files.map((one) => one.path))
  for (const place of filesBelow(folder)) if (!known.has(place)) differences.push({ path: place, what: 'extra' })
  return differences
}

/**
 * Writes the rendered files, and removes what an earlier rendering left. Throws `conflict` for a folder with files that no
 * rendering made: they might be somebody's work.
 */
export const writeFolder = (folder: string, files: readonly RenderedFile[]): void => {
  const known = new Set(files.map((one) => one.path))
  const before = renderedBefore(folder)
  for (const place of filesBelow(folder)) {
    if (known.has(place)) continue
    if (!before.has(place))
      throw new AppError('conflict', `${path.join(folder, place)} was not rendered; move it away, and render again.`)
    rmSync(path.join(folder, place))
  }
  for (const file of files) {
    const place = path.join(folder, file.path)
    mkdirSync(path.dirname(place), { recursive: true })
    writeFileSync(place, file.text)
    chmodSync(place, Number.parseInt(file.mode, 8))
  }
}

const renderedBefore = (folder: string): Set<string> => {
  try {
    const manifest = JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8')) as {
      files: { path: string }[]
    }
    return new Set(['manifest.json', ...manifest.files.map((one) => one.path)])
  } catch {
    return new Set()
  }
}

const filesBelow = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
        .sort()
    : []
