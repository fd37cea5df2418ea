import { type Setting, settings } from './settings.ts'

/** The text of `.env.example`: every setting with its documentation and default, commented out. */
export const renderEnvExample = (): string => {
  const lines = ['# Every setting of Evothesis. Copy to .env and change what you need; nothing here is required.', '']
  let group = ''
  for (const [name, setting] of Object.entries(settings) as [string, Setting<unknown>][]) {
    if (setting.group !== group) {
      if (group !== '') lines.push('')
      group = setting.group
      lines.push(`# --- ${group} ---`, '')
    }
    lines.push(`# ${setting.doc}${setting.secret ? ` Secret: also as ${name}_FILE.` : ''}`)
    lines.push(`#${name}=${setting.fallback ?? ''}`)
  }
  return `${lines.join('\n')}\n`
}
