import { hash } from 'node:crypto'
import { idCharsMax } from './limits.ts'

/**
 * The UUID of a name in a namespace, RFC 9562 version 5: the same name is the same UUID everywhere. Every event of a page
 * whose id is no UUID needs one, so its bytes are laid out in one buffer, and hashed in one call. Names are texts of at most
 * `idCharsMax` characters.
 */
export const createNameUuid = (namespace: string): ((name: string) => string) => {
  const space = Buffer.from(namespace.replaceAll('-', ''), 'hex')
  const bytes = Buffer.alloc(space.length + 3 * idCharsMax)
  space.copy(bytes)
  return (name) => {
    const end = space.length + bytes.write(name, space.length, 'utf8')
    const hex = hash('sha1', bytes.subarray(0, end), 'hex')
    const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3]
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  }
}
