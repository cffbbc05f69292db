/** Somebody at a browser: what they do with keys and mouse, and what they see. */
import type { BrowserContext, KeyInput, Page, Point } from 'puppeteer-core'
import type { BrowserName } from './browsers'
import { normal, textOf } from './delta'
import { until } from './patience'
import type { Op } from './program'
import { readSurface } from './surface'

export interface StatusSeen {
  /** The kind of status. */
  tag: string
  /** What the chip says. */
  text: string
}

/** Keys by the names that shortcuts are written with. */
const KEYS: Record<string, KeyInput> = { Mod: 'Control', Space: 'Space' }
const PRINTED: Record<string, KeyInput> = {
  '\\': 'Backslash',
  '.': 'Period',
  '/': 'Slash',
  ']': 'BracketRight',
  '[': 'BracketLeft',
}

export class Person {
  readonly name: string
  readonly browser: BrowserName
  readonly page: Page
  readonly context: BrowserContext
  /** What the browser complained of: errors in scripts, violations of the security policy, failures of the server. */
  readonly troubles: string[] = []

  constructor(name: string, browser: BrowserName, page: Page, context: BrowserContext) {
    this.name = name
    this.browser = browser
    this.page = page
    this.context = context
  }

  /** Begins to hear what goes wrong in the page. */
  async listen(): Promise<void> {
    this.page.on('console', message => {
      const text = message.text()
      // The browser notes each call that got no answer, or a refusal; both have tests of their own.
      if (message.type() === 'error' && !text.startsWith('Failed to load resource')) this.troubles.push(text)
    })
    this.page.on('pageerror', error => {
      this.troubles.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
    })
    this.page.on('response', response => {
      if (response.status() === 500) this.troubles.push(`500 of ${response.url()}`)
    })
    await this.page.evaluateOnNewDocument(() => {
      addEventListener('securitypolicyviolation', event => {
        console.error(`the security policy forbids ${event.blockedURI} (${event.violatedDirective})`)
      })
    })
  }

  // Where they are

  /** Goes to a page, and waits until it can be written in. */
  async opens(url: string): Promise<void> {
    await this.page.goto(url)
    await this.ready()
  }

  async ready(): Promise<void> {
    await this.page.waitForSelector('.h-surface[contenteditable=true]')
    await this.status('saved')
  }

  // What they do

  /** Keys, one after the other. */
  async types(text: string): Promise<void> {
    await this.#comesForward()
    await this.page.keyboard.type(text)
  }

  /** A shortcut such as Mod-Shift-7, or a single key. */
  async presses(...shortcuts: string[]): Promise<void> {
    await this.#comesForward()
    for (const shortcut of shortcuts) {
      const held = shortcut.split(/-(?!$)/).map(name => KEYS[name] ?? (name as KeyInput))
      const key = keyOf(held.pop()!)
      for (const each of held) await this.page.keyboard.down(each)
      await this.page.keyboard.press(key)
      for (const each of held.reverse()) await this.page.keyboard.up(each)
    }
  }

  /** Puts the caret before or after the first place where some text stands, with the mouse. */
  async caret(where: 'before' | 'after', text: string): Promise<void> {
    await this.#comesForward()
    const { start, end } = await this.#placeOf(text)
    const { x, y } = where === 'before' ? start : end
    await this.page.mouse.click(x, y)
    await this.#selectionTold()
  }

  /** Selects the first place where some text stands, with the mouse and Shift. */
  async selects(text: string): Promise<void> {
    await this.#comesForward()
    const { start, end } = await this.#placeOf(text)
    await this.page.mouse.click(start.x, start.y)
    await this.page.keyboard.down('Shift')
    await this.page.mouse.click(end.x, end.y)
    await this.page.keyboard.up('Shift')
    await until(`${this.name} has “${text}” selected`, async () =>
      (await this.page.evaluate(() => String(getSelection()))) === text ? true : undefined,
    )
    await this.#selectionTold()
  }

  /** Puts the caret into the text, at its very end. */
  async goesToEnd(): Promise<void> {
    await this.#goes('Mod-End', () => {
      const { focusNode, focusOffset } = getSelection()!
      if (!focusNode) return false
      const rest = document.createRange()
      rest.setStart(focusNode, focusOffset)
      rest.setEndAfter(document.querySelector('.h-surface')!.lastChild!)
      return rest.toString() === '' && rest.cloneContents().childElementCount <= 1
    })
  }

  async goesToStart(): Promise<void> {
    await this.#goes('Mod-Home', () => {
      const { focusNode, focusOffset } = getSelection()!
      if (!focusNode) return false
      const before = document.createRange()
      before.setStart(document.querySelector('.h-surface')!, 0)
      before.setEnd(focusNode, focusOffset)
      return before.toString() === '' && before.cloneContents().childElementCount <= 1
    })
  }

  /** Presses the control of that name, which is on the screen or comes to it. */
  async clicks(name: string): Promise<void> {
    await this.page.locator(`::-p-aria([name="${name}"])`).click()
  }

  /** Chooses from the menu that a button opens. */
  async chooses(menu: string, entry: string): Promise<void> {
    await this.clicks(menu)
    await this.page.locator(`[role=menu] ::-p-aria([name="${entry}"])`).click()
  }

  // What they see

  /** The text with its formats. */
  async content(): Promise<Op[]> {
    return normal(await this.page.evaluate(readSurface))
  }

  async text(): Promise<string> {
    return textOf(await this.content())
  }

  /** Waits until the text holds something. */
  async sees(text: string): Promise<void> {
    await until(`${this.name} sees “${text}”`, async () =>
      (await this.text()).includes(text) ? true : undefined,
    )
  }

  /** Waits until something is said anywhere on the screen. */
  async reads(words: string | RegExp): Promise<void> {
    await until(`${this.name} reads ${words}`, async () => {
      // biome-ignore lint/performance/useDomNodeTextContent: what is hidden is not read
      const said = await this.page.evaluate(() => document.body.innerText)
      return (typeof words === 'string' ? said.includes(words) : words.test(said)) ? true : undefined
    })
  }

  /** What the status chip says now. */
  async chip(): Promise<StatusSeen> {
    return this.page.evaluate(() => {
      const chip = document.querySelector<HTMLElement>('[data-status]')
      const words = chip?.querySelector('.visually-hidden')
      return { tag: chip?.dataset.status ?? '', text: words?.textContent ?? '' }
    })
  }

  /** Waits until the status is one of these. */
  async status(...tags: string[]): Promise<StatusSeen> {
    let seen: StatusSeen | undefined
    try {
      return await until('', async () => {
        seen = await this.chip()
        return tags.includes(seen.tag) ? seen : undefined
      })
    } catch {
      throw new Error(`${this.name}'s status did not become ${tags.join(' or ')}: ${JSON.stringify(seen)}`)
    }
  }

  /** The names at others' cursors. */
  cursors(): Promise<string[]> {
    return this.page.$$eval('.h-cursor-name', flags => flags.map(flag => flag.textContent ?? '').sort())
  }

  /** Firefox gives the keyboard to one window at a time; in Chromium each believes that it has it. */
  async #comesForward(): Promise<void> {
    if (this.browser === 'chromium' || (await this.page.evaluate(() => document.hasFocus()))) return
    await this.page.bringToFront()
  }

  /** The editor puts the caret where it was when it gets the focus, a moment after that. */
  async #goes(keys: string, there: () => boolean): Promise<void> {
    await this.#comesForward()
    await this.page.focus('.h-surface')
    await until(`${this.name}'s caret is there after ${keys}`, async () => {
      await this.presses(keys)
      await this.#selectionTold()
      await this.#selectionTold()
      return (await this.page.evaluate(there)) || undefined
    })
  }

  /** The browser tells the page of a new selection a moment after it shows it; by the second frame it has. */
  async #selectionTold(): Promise<void> {
    await this.page.evaluate(
      () => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    )
  }

  async #placeOf(text: string): Promise<{ start: Point; end: Point }> {
    return this.page.evaluate(text => {
      const surface = document.querySelector('.h-surface')!
      const nodes: Text[] = []
      const walker = document.createTreeWalker(surface, NodeFilter.SHOW_TEXT)
      while (walker.nextNode()) nodes.push(walker.currentNode as Text)
      const whole = nodes.map(node => node.data).join('')
      const start = whole.indexOf(text)
      if (start < 0) throw new Error(`there is no “${text}” in “${whole}”`)
      const range = document.createRange()
      const place = (at: number, end: boolean): [Text, number] => {
        let rest = at
        for (const node of nodes) {
          if (rest < node.length || (end && rest === node.length)) return [node, rest]
          rest -= node.length
        }
        throw new Error('beyond the text')
      }
      range.setStart(...place(start, false))
      range.setEnd(...place(start + text.length, true))
      range.startContainer.parentElement?.scrollIntoView({ block: 'center' })
      const pieces = range.getClientRects()
      const first = pieces[0]!
      const last = pieces[pieces.length - 1]!
      return {
        start: { x: first.left, y: (first.top + first.bottom) / 2 },
        end: { x: last.right, y: (last.top + last.bottom) / 2 },
      }
    }, text)
  }
}

function keyOf(name: string): KeyInput {
  if (/^\d$/.test(name)) return `Digit${name}` as KeyInput
  if (/^[a-z]$/i.test(name)) return `Key${name.toUpperCase()}` as KeyInput
  return PRINTED[name] ?? (name as KeyInput)
}
