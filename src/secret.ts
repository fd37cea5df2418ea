import { inspect } from 'node:util'

/** A value that cannot be printed by accident: logs, JSON, templates and `console.log` all show `[secret]`. */
export type Secret = { reveal(): string }

export const secret = (value: string): Secret => {
  const hidden = () => '[secret]'
  return Object.freeze({ reveal: () => value, toString: hidden, toJSON: hidden, [inspect.custom]: hidden })
}
