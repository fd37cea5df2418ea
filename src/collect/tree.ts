import type { Json, JsonObject } from '../json.ts'

/** What becomes of the texts and keys of an event on its way into the buffer. */
export type Rewrite = {
  /** The key as it is stored. */
  key(key: string): string
  /** The value of a key as it is stored, before its inside is looked at; `undefined` means: look inside. */
  value(key: string, value: Json, parent: JsonObject): Json | undefined
  /** A text as it is stored. `key` is that of the nearest object; elements of an array have their array's key. */
  text(text: string, key: string): Json
  /** A number as it is stored. */
  number(value: number, key: string): Json
}

/**
 * Rewrites a parsed value in place and returns it. What lies deeper than `depthMax` levels is replaced by a short text and
 * `tooDeep` is true; no recursion ever goes further, whatever was sent. `keys` counts those of all objects that were looked
 * into.
 */
export const rewriteTree = (
  root: Json,
  rewrite: Rewrite,
  depthMax: number,
): { value: Json; tooDeep: boolean; changed: boolean; keys: number } => {
  let tooDeep = false
  let changed = false
  let keys = 0

  const visit = (value: Json, key: string, depth: number): Json => {
    if (typeof value === 'string') return rewrite.text(value, key)
    if (typeof value === 'number') return rewrite.number(value, key)
    if (value === null || typeof value !== 'object') return value
    if (depth > depthMax) {
      tooDeep = true
      return cutText
    }
    return Array.isArray(value) ? visitArray(value, key, depth) : visitObject(value, depth)
  }
  const visitArray = (array: Json[], key: string, depth: number): Json => {
    for (let i = 0; i < array.length; i++) {
      const element = array[i] as Json
      const stored = visit(element, key, depth + 1)
      if (stored === element) continue
      array[i] = stored
      changed = true
    }
    return array
  }
  const visitObject = (object: JsonObject, depth: number): Json => {
    for (const sent of Object.keys(object)) {
      const value = object[sent] as Json
      keys++
      const key = rewrite.key(sent)
      const stored = rewrite.value(key, value, object) ?? visit(value, key, depth + 1)
      if (key !== sent) delete object[sent]
      if (key === sent && stored === value) continue
      setOwn(object, key, stored)
      changed = true
    }
    return object
  }
  const value = visit(root, '', 1)
  return { value, tooDeep, changed: changed || value !== root, keys }
}

/** Bounds the work that one value can cause: texts beyond `charsMax` in sum are hidden unread. */
export const withTextLimit = (rewrite: Rewrite, charsMax: number): Rewrite => {
  let chars = 0
  return {
    key: rewrite.key,
    value: rewrite.value,
    number: rewrite.number,
    text(text, key) {
      chars += text.length
      return chars > charsMax ? unreadText : rewrite.text(text, key)
    },
  }
}

const unreadText = '[REDACTED: too large]'
export const cutText = '[nested deeper than the limit]'

/** `__proto__` is a key like any other here; an assignment would change the object's prototype instead. */
const setOwn = (object: JsonObject, key: string, value: Json): void => {
  if (key !== '__proto__') object[key] = value
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
