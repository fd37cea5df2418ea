import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

/** Debian's Chromium, or the one that CHROMIUM_PATH names. */
export const chromiumPath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'

/** Why browser tests cannot run here, or nothing where they can. */
export const noChromium = existsSync(chromiumPath)
  ? undefined
  : `no Chromium at ${chromiumPath}: apt-get install chromium, or set CHROMIUM_PATH`

export const chromiumArgs = [
  ...['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
]

/** A headless browser; with the back/forward cache, which Playwright would turn off. */
export const startChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath,
    args: chromiumArgs,
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  })
