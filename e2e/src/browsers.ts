/** The two browsers, driven by one API: Chromium over CDP, Firefox over WebDriver BiDi. */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import puppeteer, { type Browser, type LaunchOptions } from 'puppeteer-core'

export type BrowserName = 'chromium' | 'firefox'

export const VIEWPORT = { width: 1280, height: 800 }

const NAMES: Record<BrowserName, string[]> = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
  firefox: ['firefox-esr', 'firefox'],
}

const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--font-render-hinting=none',
]

/** Starts a browser on a profile of its own, which goes when the browser does. */
export function launch(name: BrowserName, { acceptInsecureCerts = false } = {}): Promise<Browser> {
  const options: LaunchOptions = {
    executablePath: find(name),
    headless: true,
    acceptInsecureCerts,
    defaultViewport: VIEWPORT,
    timeout: 60_000,
  }
  if (name === 'firefox') return puppeteer.launch({ ...options, browser: 'firefox' })
  return puppeteer.launch({ ...options, browser: 'chrome', args: CHROMIUM_FLAGS })
}

function find(name: BrowserName): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  for (const each of NAMES[name]) {
    const folder = folders.find(folder => existsSync(join(folder, each)))
    if (folder !== undefined) return join(folder, each)
  }
  throw new Error(`The browser tests need ${name}; install it with: sudo apt-get install ${NAMES[name][0]}`)
}
