/** The short way through the product, in each browser. */
import { describe, expect } from 'vitest'
import type { BrowserName } from './src/browsers'
import { until } from './src/patience'
import { test } from './src/stage'

describe.each<BrowserName>(['chromium', 'firefox'])('%s', browser => {
  test('two people sign in, make a page, write, format, and see each other live', async ({ stage }) => {
    const quill = await stage.stranger('Quill', browser)
    await quill.page.goto(stage.server.url)
    await quill.reads('What should others call you?')
    await quill.page.waitForSelector('#name:focus')
    await quill.types('Quill')
    await quill.presses('Enter')
    await quill.reads('No pages yet')
    await quill.clicks('New page')
    await quill.ready()
    await quill.types('Plans')
    await quill.presses('Enter')
    await quill.types('We will ')
    await quill.presses('Mod-b')
    await quill.types('write')
    await quill.presses('Mod-b')
    await quill.types('.')

    const ink = await stage.person('Ink', browser)
    await ink.opens(quill.page.url())
    await ink.sees('We will write.')
    await ink.goesToEnd()
    await ink.presses('Enter')
    await ink.types('- together')
    await quill.sees('together')
    await quill.selects('will')
    await quill.clicks('Italic')
    await until('each sees the cursor of the other', async () => {
      const seen = [await quill.cursors(), await ink.cursors()]
      return `${seen}` === 'Ink,Quill' || undefined
    })

    const page = await stage.program.page(new URL(quill.page.url()).pathname.split('/').pop()!)
    expect(page.title).toBe('Plans')
    expect(await stage.agree(page, quill, ink)).toEqual([
      { insert: 'We ' },
      { insert: 'will', attributes: { italic: true } },
      { insert: ' ' },
      { insert: 'write', attributes: { bold: true } },
      { insert: '.' },
      { insert: '\n' },
      { insert: 'together' },
      { insert: '\n', attributes: { list: 'bullet' } },
    ])

    await stage.server.kill()
    await quill.status('reconnecting', 'offline')
    await quill.goesToEnd()
    await quill.types(' again')
    await stage.server.begin()
    await ink.sees('together again')
    await stage.agree(page, quill, ink)
  })
})
