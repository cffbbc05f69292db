/** Starts Chromium once for all files; each person in it has a context, with cookies, of their own. */
import type { Browser } from 'puppeteer-core'
import type { TestProject } from 'vitest/node'
import { launch } from './browsers'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the Chromium that all files share listens. */
    chromium: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const browser: Browser = await launch('chromium')
  project.provide('chromium', browser.wsEndpoint())
  return () => browser.close()
}
