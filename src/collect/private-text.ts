/**
 * Private values that a key gives away inside a text: `?password=…`, `#access_token=…`, form data, cookies, JSON in a text.
 */

/** Name and value of queries, fragments, form bodies and cookies. The value ends where the next pair begins. */
const pair = /(^|[?&;#!\s"'/])([^\s=&;#?"'/]{1,120})=([^&;#\s"']*)/g
/** `"name": "value"` in a text that is not itself JSON. */
const quotedPair = /(["'])([\w\s.[\]-]{1,80})\1(\s*[:=]\s*)(["'])((?:(?!\4)[^\\]|\\.)*)\4/g

/** Hides the values of private keys; other values are handed to `text`, decoded when they are percent-encoded. */
export const hidePairs = (
  text: string,
  isPrivateKey: (key: string) => boolean,
  hide: (value: string) => string,
  value: (decoded: string) => string,
): string => {
  let hidden = text
  if (text.includes('='))
    hidden = hidden.replace(pair, (all, before: string, key: string, sent: string) => {
      if (sent === '') return all
      if (isPrivateKey(decoded(key))) return `${before}${key}=${hide(decoded(sent))}`
      if (!/[%+]/.test(sent)) return all
      const plain = percentDecoded(decoded(sent))
      return value(plain) === plain ? all : `${before}${key}=${encodeURIComponent(value(plain))}`
    })
  if (/["']\s*[:=]/.test(hidden))
    hidden = hidden.replace(quotedPair, (all, quote: string, key: string, colon: string, open: string, sent: string) =>
      sent !== '' && isPrivateKey(key) ? `${quote}${key}${quote}${colon}${open}${hide(sent)}${open}` : all,
    )
  return hidden
}

const decoded = (text: string): string => percentDecoded(text.replaceAll('+', ' '))

const percentDecoded = (text: string): string => {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
