import path from 'node:path'
import type { Config } from '../config.ts'
import type { Queryable } from '../db.ts'
import type { OutboxEventType } from '../outbox.ts'
import { type Secret, secret } from '../secret.ts'
import { ensureSecret } from '../secrets.ts'
import { retireSettingsEndpoint, secretsOfSetting, setSettingsEndpoint } from './endpoints.ts'

const alertTypes: readonly OutboxEventType[] = ['alert.raised', 'alert.cleared', 'export.parked', 'export.failed']

/** The endpoints that the settings name, and what each is sent. */
const settingsEndpoints = [
  { name: 'billing', setting: 'BILLING_WEBHOOK', eventTypes: null },
  { name: 'alerts', setting: 'ALERT_WEBHOOK', eventTypes: alertTypes },
] as const

/**
 * Brings the table of endpoints to what the settings say. Only a server retires an endpoint that its settings do not name
 * any more: a command may run in a shell that lacks them.
 */
export const applySettingsEndpoints = async (
  db: Queryable,
  config: Config,
  { nowMs, retires }: { nowMs: number; retires: boolean },
): Promise<void> => {
  for (const { name, setting, eventTypes } of settingsEndpoints) {
    const url = config[`${setting}_URL`]
    if (url !== undefined) await setSettingsEndpoint(db, { name, url, eventTypes, nowMs })
    else if (retires) await retireSettingsEndpoint(db, name, nowMs)
  }
}

/**
 * The secrets of an endpoint that the settings name: the setting's, else one that is generated into DATA_DIR/secrets.
 * Throws `setting_invalid`.
 */
export const settingsSecrets = (config: Config, name: string): Secret[] => {
  const setting = settingsEndpoints.find((one) => one.name === name)?.setting
  const configured = setting && config[`${setting}_SECRET`]
  return configured ? secretsOfSetting(configured) : [generatedSecret(config, name)]
}

/** The file holds 32 bytes in hex, as all generated secrets do. */
const generatedSecret = (config: Config, name: string): Secret => {
  const hex = ensureSecret(undefined, path.join(path.resolve(config.DATA_DIR), 'secrets', `webhook-${name}`))
  return secret(`whsec_${Buffer.from(hex.reveal(), 'hex').toString('base64')}`)
}
