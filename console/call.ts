/** What the server refused, with its code of the closed list. */
export class CallError extends Error {
  readonly code: string
  readonly status: number
  constructor(code: string, status: number, message: string) {
    super(message)
    this.code = code
    this.status = status
  }
}

/** Set by the frame: what to do when the session has ended. */
export const session = { ended: () => {} }

export const get = <T>(path: string, query: Record<string, string | number | boolean | undefined> = {}): Promise<T> => {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') parameters.set(name, String(value))
  const text = parameters.toString()
  return call<T>('GET', text === '' ? path : `${path}?${text}`)
}

/** Asks the server to change something; the header says that a page of ours asks. */
export const change = <T>(method: 'POST' | 'DELETE', path: string, body?: object): Promise<T> =>
  call<T>(method, path, body)

const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
  const answer = await fetch(path, {
    method,
    headers: { 'x-evothesis-console': '1', ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  }).catch(() => {
    // A browser says of it only "Failed to fetch".
    throw new CallError('unreachable', 0, 'The server does not answer. Is it running, and is this device online?')
  })
  if (answer.ok) return (await answer.json()) as T
  const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string; title?: string }
  const error = new CallError(
    problem.code ?? 'internal',
    answer.status,
    problem.detail ?? problem.title ?? `The server answered ${answer.status}.`,
  )
  if (answer.status === 401 && path !== '/console/login') session.ended()
  throw error
}

/** A file to keep. */
export const save = (name: string, content: Blob): void => {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
