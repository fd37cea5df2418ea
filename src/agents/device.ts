import bowser from 'bowser'

export const deviceKinds = ['desktop', 'mobile', 'tablet', 'other'] as const
export type DeviceKind = (typeof deviceKinds)[number]
export type Device = { kind: DeviceKind; browser: string | null; os: string | null }

const unknown: Device = { kind: 'other', browser: null, os: null }
/** User agents whose answer is remembered, and the longest one that is looked at: some patterns take long on long texts. */
const rememberedMax = 5_000
const userAgentCharsMax = 512
const name = /^[A-Za-z0-9 ./_()-]{1,40}$/

/** Tells device, browser and system from user agents; names only, no versions. */
export const createDeviceReader = (): ((userAgent: string | null) => Device) => {
  const remembered = new Map<string, Device>()
  return (userAgent) => {
    if (!userAgent) return unknown
    const known = remembered.get(userAgent)
    if (known) return known
    if (remembered.size >= rememberedMax) remembered.clear()
    const read = readDevice(userAgent.slice(0, userAgentCharsMax))
    remembered.set(userAgent, read)
    return read
  }
}

const readDevice = (userAgent: string): Device => {
  const { platform, browser, os } = bowser.parse(userAgent)
  return {
    kind: deviceKinds.find((kind) => kind === platform.type) ?? 'other',
    browser: named(browser.name),
    os: named(os.name),
  }
}

const named = (text: string | undefined): string | null => (text !== undefined && name.test(text) ? text : null)
