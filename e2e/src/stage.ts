/**
 * What a test plays on: a server of its own, people at browsers, and lines
 * between them. All of it is stopped at the end, whatever happens; where a
 * test fails, what the server said and what people saw is kept in artifacts/.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import puppeteer, { type Browser } from 'puppeteer-core'
import { test as base, inject } from 'vitest'
import { type BrowserName, launch, VIEWPORT } from './browsers'
import { normal } from './delta'
import { HoldingProxy } from './holdingProxy'
import { untilEqual } from './patience'
import { Person } from './person'
import { type Op, type PageObject, Program } from './program'
import { Server } from './server'
import { Wire } from './wire'

const ARTIFACTS = join(import.meta.dirname, '../artifacts')

export class Stage {
  readonly server: Server
  /** Somebody who uses the server without a browser. */
  readonly program: Program
  readonly people: Person[] = []
  readonly #wires: { close(): Promise<void> }[] = []
  readonly #browsers = new Map<BrowserName, Promise<Browser>>()

  private constructor(server: Server, program: Program) {
    this.server = server
    this.program = program
  }

  /** A stage whose server has a folder of its own, or the one that is named. */
  static async set(dir?: string): Promise<Stage> {
    const server = await Server.start(dir)
    try {
      return new Stage(server, await Program.signIn(server.url, 'Program'))
    } catch (error) {
      await server.discard()
      throw error
    }
  }

  /** A new window in which nobody is signed in. */
  async stranger(name: string, browser: BrowserName = 'chromium'): Promise<Person> {
    const context = await (await this.#browser(browser)).createBrowserContext()
    const page = await context.newPage(browser === 'firefox' ? { type: 'window' } : {})
    await page.setViewport(VIEWPORT)
    if (browser === 'chromium') await page.emulateFocusedPage(true)
    const person = new Person(name, browser, page, context)
    this.people.push(person)
    await person.listen()
    return person
  }

  /** Somebody who is signed in. */
  async person(name: string, browser: BrowserName = 'chromium'): Promise<Person> {
    const person = await this.stranger(name, browser)
    const { cookie } = await Program.signIn(this.server.url, name)
    const [key, ...value] = cookie.split('=')
    await person.context.setCookie({
      name: key!,
      value: value.join('='),
      domain: '127.0.0.1',
      path: '/',
      httpOnly: true,
      secure: false,
      expires: -1,
    })
    return person
  }

  /** One more tab of somebody's browser. */
  async tab(of: Person): Promise<Person> {
    // In Firefox a tab that another hides is slow to do anything; a window of its own is not.
    const page = await of.context.newPage(of.browser === 'firefox' ? { type: 'window' } : {})
    await page.setViewport(VIEWPORT)
    if (of.browser === 'chromium') await page.emulateFocusedPage(true)
    const tab = new Person(of.name, of.browser, page, of.context)
    this.people.push(tab)
    await tab.listen()
    return tab
  }

  /** Two people with the same page open, ready to write; each over a line of their own where told. */
  async two(page: PageObject, over: { quill?: Wire; ink?: Wire } = {}): Promise<[Person, Person]> {
    const [quill, ink] = await Promise.all([this.person('Quill'), this.person('Ink')])
    await Promise.all([quill.opens(this.at(page, over.quill)), ink.opens(this.at(page, over.ink))])
    return [quill, ink]
  }

  /** A line to the server that can be made bad. */
  async wire(): Promise<Wire> {
    const wire = await Wire.to(this.server.port)
    this.#wires.push(wire)
    return wire
  }

  /** A proxy before the server that holds answers back. */
  async holdingProxy(): Promise<HoldingProxy> {
    const proxy = await HoldingProxy.before(this.server.port)
    this.#wires.push(proxy)
    return proxy
  }

  /** The address of a page. */
  at(page: PageObject, over?: { url: string }): string {
    return `${over?.url ?? this.server.url}/p/${page.id}`
  }

  /** A page with this text, lines by `\n`. */
  write(text: string): Promise<PageObject> {
    return this.program.create({ delta: [{ insert: `${text}\n` }] })
  }

  /** Waits until everybody's edits are saved and everybody sees what the server has; returns that. */
  async agree(page: PageObject, ...people: Person[]): Promise<Op[]> {
    for (const person of people) await person.status('saved')
    let stored: Op[] = []
    for (const person of people) {
      await untilEqual(`${person.name} sees what is stored`, 'the same', async () => {
        stored = normal(await this.program.content(page.id))
        const seen = await person.content()
        return JSON.stringify(seen) === JSON.stringify(stored) ? 'the same' : difference(seen, stored)
      })
    }
    return stored
  }

  /** What a test that failed leaves for whoever looks into it. */
  async keep(test: string): Promise<void> {
    const name = test.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 80)
    await mkdir(ARTIFACTS, { recursive: true })
    await writeFile(join(ARTIFACTS, `${name}.log`), this.server.log)
    for (const person of this.people) {
      const path = join(ARTIFACTS, `${name}-${person.name}.png`) as `${string}.png`
      await person.page.screenshot({ path }).catch(() => {})
    }
  }

  async strike(): Promise<void> {
    await all([
      ...Array.from(new Set(this.people.map(({ context }) => context)), context => context.close()),
      ...this.#wires.map(wire => wire.close()),
      this.server.discard(),
    ])
    await all(
      Array.from(this.#browsers, async ([name, browser]) =>
        name === 'chromium' ? (await browser).disconnect() : (await browser).close(),
      ),
    )
  }

  /** Chromium is there for all tests; Firefox comes where a test asks for it. */
  #browser(name: BrowserName): Promise<Browser> {
    let browser = this.#browsers.get(name)
    if (!browser) {
      browser =
        name === 'chromium'
          ? puppeteer.connect({ browserWSEndpoint: inject('chromium'), defaultViewport: VIEWPORT })
          : launch(name)
      this.#browsers.set(name, browser)
    }
    return browser
  }
}

/** Waits for each, also when one fails. */
async function all(endings: Promise<unknown>[]): Promise<void> {
  for (const each of await Promise.allSettled(endings)) if (each.status === 'rejected') throw each.reason
}

/** Where two contents come apart. */
function difference(seen: Op[], stored: Op[]): string {
  const at = seen.findIndex((op, i) => JSON.stringify(op) !== JSON.stringify(stored[i]))
  const from = at < 0 ? seen.length : at
  const show = (ops: Op[]) => JSON.stringify(ops.slice(from, from + 3)).slice(0, 300)
  return `from run ${from}, seen ${show(seen)}, stored ${show(stored)}`
}

export const test = base.extend<{ dir: string | undefined; stage: Stage }>({
  /** The server's folder, where a test needs a certain one. */
  dir: undefined,
  stage: async ({ task, dir }, use) => {
    const stage = await Stage.set(dir)
    try {
      await use(stage)
      const troubles = stage.people.flatMap(({ name, troubles }) => troubles.map(text => `${name}: ${text}`))
      const failed = task.result?.state === 'fail'
      if (failed || troubles.length > 0) await stage.keep(task.name)
      if (troubles.length > 0) throw new Error(`the browser complained:\n${troubles.join('\n')}`)
    } finally {
      await stage.strike()
    }
  },
})

/** The folder of the real documents that some tests need; they skip where it is absent. */
export const DATA = join(import.meta.dirname, '../../../shared/data')
