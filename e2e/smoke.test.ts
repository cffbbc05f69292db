/** The short way through the product, in each browser. */
import { describe, expect } from 'vitest'
import type { BrowserName } from './src/browsers'
import { until } from './src/patience'
import { test } from './src/stage'

describe.each<BrowserName>(['chromium', 'firefox'])('%s', browser => {
  test('two people sign in, make a page, write, format, and see each other live', async ({ stage }) => {
    const mira = await stage.stranger('Mira', browser)
    await mira.page.goto(stage.server.url)
    await mira.reads('What should others call you?')
    await mira.page.waitForSelector('#name:focus')
    await mira.types('Mira')
    await mira.presses('Enter')
    await mira.reads('No pages yet')
    await mira.clicks('New page')
    await mira.ready()
    await mira.types('Plans')
    await mira.presses('Enter')
    await mira.types('We will ')
    await mira.presses('Mod-b')
    await mira.types('write')
    await mira.presses('Mod-b')
    await mira.types('.')

    const jonas = await stage.person('Jonas', browser)
    await jonas.opens(mira.page.url())
    await jonas.sees('We will write.')
    await jonas.goesToEnd()
    await jonas.presses('Enter')
    await jonas.types('- together')
    await mira.sees('together')
    await mira.selects('will')
    await mira.clicks('Italic')
    await until('each sees the cursor of the other', async () => {
      const seen = [await mira.cursors(), await jonas.cursors()]
      return `${seen}` === 'Jonas,Mira' || undefined
    })

    const page = await stage.program.page(new URL(mira.page.url()).pathname.split('/').pop()!)
    expect(page.title).toBe('Plans')
    expect(await stage.agree(page, mira, jonas)).toEqual([
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
    await mira.status('reconnecting', 'offline')
    await mira.goesToEnd()
    await mira.types(' again')
    await stage.server.begin()
    await jonas.sees('together again')
    await stage.agree(page, mira, jonas)
  })
})
