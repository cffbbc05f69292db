/** What keys, the mouse and the clipboard must not do to a page. */
import { describe, expect } from 'vitest'
import type { BrowserName } from './src/browsers'
import { until } from './src/patience'
import { test } from './src/stage'

describe.each<BrowserName>(['chromium', 'firefox'])('%s', browser => {
  test('a click with Ctrl selects no line, so that the next key replaces nothing', async ({ stage }) => {
    const page = await stage.program.create({
      delta: [
        { insert: 'First line.\nSecond line.\ncode' },
        { insert: '\n', attributes: { 'code-block': true } },
      ],
    })
    const quill = await stage.person('Quill', browser)
    await quill.opens(stage.at(page))
    for (const text of ['Second', 'code']) {
      await quill.page.keyboard.down('Control')
      await quill.caret('after', text)
      await quill.page.keyboard.up('Control')
      await quill.types('x')
    }
    expect(await stage.agree(page, quill)).toEqual([
      { insert: 'First line.' },
      { insert: '\n' },
      { insert: 'Secondx line.' },
      { insert: '\n' },
      { insert: 'codex' },
      { insert: '\n', attributes: { 'code-block': true } },
    ])
  })

  test('a click with Ctrl on a link follows it, and the selection stays', async ({ stage }) => {
    const page = await stage.program.create({
      delta: [
        { insert: 'Here. A ' },
        { insert: 'link', attributes: { link: `${stage.server.url}/problems/not-found` } },
        { insert: '.\n' },
      ],
    })
    const quill = await stage.person('Quill', browser)
    await quill.opens(stage.at(page))
    await quill.caret('after', 'Here')
    const opened = until('the link opens', async () => (await quill.context.pages()).length > 1 || undefined)
    await quill.page.keyboard.down('Control')
    const link = await quill.page.$('.h-surface a')
    await link!.click()
    await quill.page.keyboard.up('Control')
    await opened
    await quill.page.bringToFront()
    await quill.types('x')
    expect((await stage.agree(page, quill))[0]).toEqual({ insert: 'Herex. A ' })
  })

  test('Tab indents in lists and code; elsewhere it leaves the text, and changes nothing', async ({
    stage,
  }) => {
    const page = await stage.program.create({
      delta: [
        { insert: 'Heading' },
        { insert: '\n', attributes: { header: 2 } },
        { insert: 'Paragraph\nitem' },
        { insert: '\n', attributes: { list: 'bullet' } },
        { insert: 'code' },
        { insert: '\n', attributes: { 'code-block': true } },
      ],
    })
    const quill = await stage.person('Quill', browser)
    await quill.opens(stage.at(page))
    const inText = () => quill.page.evaluate(() => document.activeElement?.matches('.h-surface') ?? false)
    for (const text of ['Heading', 'Paragraph']) {
      await quill.caret('after', text)
      await quill.presses('Tab')
      // In Firefox the focus goes on to the window's own controls, and the text stays the active element.
      if (browser === 'chromium') expect(await inText(), `after Tab in “${text}”`).toBe(false)
    }
    for (const text of ['item', 'code']) {
      await quill.caret('before', text)
      await quill.presses('Tab')
      expect(await inText(), `after Tab in “${text}”`).toBe(true)
    }
    expect(await stage.agree(page, quill)).toEqual([
      { insert: 'Heading' },
      { insert: '\n', attributes: { header: 2 } },
      { insert: 'Paragraph' },
      { insert: '\n' },
      { insert: 'item' },
      { insert: '\n', attributes: { list: 'bullet', indent: 1 } },
      { insert: '\tcode' },
      { insert: '\n', attributes: { 'code-block': true } },
    ])
    await quill.presses('Escape', 'Tab')
    if (browser === 'chromium') expect(await inText(), 'after Escape and Tab in code').toBe(false)
    const told = await quill.page.$eval('.h-surface', surface => surface.getAttribute('aria-description'))
    expect(told).toContain('press Escape first')
  })

  test('a picture that is pasted or dropped is answered with a sentence', async ({ stage }) => {
    const page = await stage.write('Some text.')
    const quill = await stage.person('Quill', browser)
    await quill.opens(stage.at(page))
    await quill.goesToEnd()
    // Firefox makes no paste event with files for a script.
    for (const kind of browser === 'chromium' ? ['paste', 'drop'] : ['drop']) {
      await quill.page.evaluate(kind => {
        const data = new DataTransfer()
        data.items.add(new File(['\x89PNG'], 'picture.png', { type: 'image/png' }))
        const surface = document.querySelector('.h-surface')!
        const { left, top } = surface.getBoundingClientRect()
        const init = { bubbles: true, cancelable: true }
        surface.dispatchEvent(
          kind === 'paste'
            ? new ClipboardEvent('paste', { ...init, clipboardData: data })
            : new DragEvent('drop', { ...init, dataTransfer: data, clientX: left + 20, clientY: top + 20 }),
        )
      }, kind)
      await quill.reads('Halley cannot put pictures and files into a page yet.')
      await quill.clicks('Dismiss')
    }
    expect(await stage.agree(page, quill)).toEqual([{ insert: 'Some text.' }, { insert: '\n' }])
  })
})
