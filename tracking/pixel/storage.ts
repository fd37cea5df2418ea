import { win } from './host.ts'
import { textOption } from './options.ts'

/** localStorage throws where it is blocked, even on reading the property; then, and with `none`, nothing is stored. */
const attempt = <T>(run: (area: Storage) => T): T | undefined => {
  try {
    if (textOption('storage') !== 'none') return run(win.localStorage)
  } catch {
    // Blocked, or full.
  }
}

/** Every key of ours begins with `evo_`. */
export const readItem = (key: string): string => attempt((area) => area.getItem(key)) ?? ''
/** True when it was stored. */
export const writeItem = (key: string, value: string): boolean =>
  !!attempt((area) => {
    area.setItem(key, value)
    return true
  })
export const removeItem = (key: string): void => attempt((area) => area.removeItem(key))
/** The keys that begin with `start`, sorted. */
export const itemKeys = (start: string): string[] =>
  attempt((area) =>
    Object.keys(area)
      .filter((key) => key.startsWith(start))
      .sort(),
  ) ?? []

/** Removes everything of ours from this device. */
export const wipeStorage = (): void => itemKeys('evo_').forEach(removeItem)
