import { existsSync } from 'node:fs'
import path from 'node:path'
import { loadConfig } from '../config.ts'
import { messageOf } from '../errors.ts'
import { readClientFile } from './client-file.ts'
import type { Client } from './client-schema.ts'
import { applianceFolder, type Difference, differencesOf } from './folder.ts'
import { type Breach, breachesOf } from './policy.ts'
import { loadRelease, type Release } from './release.ts'
import { type RenderedFile, render } from './render.ts'
import { settingsOf } from './render-settings.ts'
import { pinnedRelease } from './resolve-images.ts'
import { secretPlan } from './secret-plan.ts'

export type Appliance = { client: Client; release: Release; files: RenderedFile[] }

/** Reads a client's folder and renders it. Throws `setting_invalid`. */
export const readAppliance = (folder: string): Appliance => {
  const client = readClientFile(folder)
  const release = pinnedRelease(folder, client, loadRelease(client.release))
  return { client, release, files: render(client, release) }
}

export type Validation = { ok: boolean; breaches: Breach[]; settings: string | null; differences: Difference[] }

/** All that can be said of an appliance without its machine: rules, settings, and whether the folder is as rendered. */
export const validate = (folder: string, { client, files }: Appliance): Validation => {
  const breaches = breachesOf(files)
  const settings = settingsProblem(client)
  const place = applianceFolder(folder)
  const differences = existsSync(place)
    ? differencesOf(place, files)
    : [{ path: path.relative(folder, place), what: 'missing' as const }]
  return {
    ...{ breaches, settings, differences },
    ok: breaches.length === 0 && settings === null && differences.length === 0,
  }
}

/** The settings as the containers will read them, with every secret at hand. */
const settingsProblem = (client: Client): string | null => {
  const secrets = Object.fromEntries(
    secretPlan(client).flatMap((one) =>
      one.setting ? [[one.setting, one.kind === 'url' ? 'postgres://evothesis:x@timescaledb/evothesis' : 'x']] : [],
    ),
  )
  try {
    loadConfig({ ...settingsOf(client), ...secrets }, '/dev/null')
    return null
  } catch (error) {
    return messageOf(error)
  }
}
