import { type Check, fail, ok, skipped, warn } from './check.ts'

/** What `doctor.sh` tells of the machine around the containers, in sections of plain lines. */
export type HostReport = Record<'listening' | 'images' | 'wanted' | 'secrets', string[]>

export const parseHostReport = (text: string): HostReport => {
  const report: HostReport = { listening: [], images: [], wanted: [], secrets: [] }
  let section: keyof HostReport | undefined
  for (const line of text.split('\n').map((one) => one.trim())) {
    const name = /^\[(\w+)\]$/.exec(line)?.[1]
    if (name !== undefined) section = name in report ? (name as keyof HostReport) : undefined
    else if (line !== '' && section) report[section].push(line)
  }
  return report
}

/** What may listen to the world: SSH, and nginx. */
const portsAllowed = [22, 80, 443]

export const checkHost = (report: HostReport | undefined): Check[] =>
  report === undefined
    ? [skipped('machine', 'ports, images and secrets are seen from outside: run ./doctor.sh in /opt/evothesis')]
    : [checkPorts(report.listening), checkImages(report), checkSecrets(report.secrets)]

const checkPorts = (listening: readonly string[]): Check => {
  const open = listening.filter((one) => !isLocal(one)).map((one) => Number(one.slice(one.lastIndexOf(':') + 1)))
  const others = [...new Set(open.filter((port) => !portsAllowed.includes(port)))].sort((a, b) => a - b)
  const found = `${[...new Set(open)].sort((a, b) => a - b).join(', ') || 'none'} open to the world`
  if (others.length === 0) return ok('ports', found)
  return fail('ports', found, `Only 22, 80 and 443 should be; stop what listens on ${others.join(', ')}.`)
}

/** An address of `ss`: 127.0.0.1:53, 127.0.0.53%lo:53, [::1]:25. */
const isLocal = (address: string): boolean => /^(127\.|\[::1\]|\[::ffff:127\.)/.test(address)

const checkImages = ({ images, wanted }: HostReport): Check => {
  const running = images.map((line) => line.split(' '))
  const strange = running.filter(([, image = '']) => !wanted.includes(image))
  if (running.length === 0) return fail('images', 'no container runs', 'Run: docker compose up -d')
  if (strange.length === 0) return ok('images', `${running.length} containers, all of the images in compose.yaml`)
  return warn(
    'images',
    strange.map(([service, image]) => `${service} runs ${image}`).join(', '),
    'The machine runs something else than compose.yaml says. Run: docker compose up -d',
  )
}

const checkSecrets = (lines: readonly string[]): Check => {
  // Mode, owner, name; the folder itself is among them.
  const open = lines.map((line) => line.split(' ')).filter(([mode = '']) => (Number.parseInt(mode, 8) & 0o077) !== 0)
  if (lines.length === 0) return fail('secrets', 'there are none', 'Run: ./first-boot.sh')
  if (open.length === 0) return ok('secrets', `${lines.length - 1} files, for their owners only`)
  const names = open.map(([, , name]) => name).join(', ')
  return fail('secrets', `others may read ${names}`, 'Run: chmod 700 secrets; chmod 400 secrets/*; and rotate them.')
}
