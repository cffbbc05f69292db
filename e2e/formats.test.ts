/** Every format, by every way to it, is the attribute that a page's schema names. */
import { describe, expect } from 'vitest'
import { normal } from './src/delta'
import { untilEqual } from './src/patience'
import type { Person } from './src/person'
import type { Op, PageObject } from './src/program'
import { type Stage, test } from './src/stage'

interface Format {
  /** The control of the toolbar; for paragraph styles the entry of its menu. */
  control?: string
  style?: string
  keys?: string
  /** What is typed so that “word” becomes it. */
  typed?: string
  want: Op[]
}

const marked = (attributes: Record<string, unknown>): Op[] => [
  { insert: 'word', attributes },
  { insert: '\n' },
]
const lined = (attributes: Record<string, unknown>): Op[] => [
  { insert: 'word' },
  { insert: '\n', attributes },
]

const TEXT_FORMATS: Format[] = [
  { control: 'Bold', keys: 'Mod-b', typed: '**word**', want: marked({ bold: true }) },
  { typed: '__word__', want: marked({ bold: true }) },
  { control: 'Italic', keys: 'Mod-i', typed: '*word*', want: marked({ italic: true }) },
  { typed: '_word_', want: marked({ italic: true }) },
  { control: 'Underline', keys: 'Mod-u', want: marked({ underline: true }) },
  { control: 'Strikethrough', keys: 'Mod-Shift-x', typed: '~~word~~', want: marked({ strike: true }) },
  { control: 'Code', keys: 'Mod-e', typed: '`word`', want: marked({ code: true }) },
]

const LINE_FORMATS: Format[] = [
  ...[1, 2, 3, 4, 5, 6].map(level => ({
    style: `Heading ${level}`,
    keys: `Mod-Alt-${level}`,
    typed: `${'#'.repeat(level)} word`,
    want: lined({ header: level }),
  })),
  { control: 'Bulleted list', keys: 'Mod-Shift-8', typed: '- word', want: lined({ list: 'bullet' }) },
  { typed: '* word', want: lined({ list: 'bullet' }) },
  { control: 'Numbered list', keys: 'Mod-Shift-7', typed: '1. word', want: lined({ list: 'ordered' }) },
  { control: 'Checklist', keys: 'Mod-Shift-9', typed: '[] word', want: lined({ list: 'unchecked' }) },
  { typed: '[x] word', want: lined({ list: 'checked' }) },
  { control: 'Quote', keys: 'Mod-Shift-.', typed: '> word', want: lined({ blockquote: true }) },
  { control: 'Code block', keys: 'Mod-Alt-c', typed: '``` word', want: lined({ 'code-block': true }) },
  { typed: '```go word', want: lined({ 'code-block': 'go' }) },
]

const EMPTY: Op[] = [{ insert: '\n' }]

/** Waits until the page is this, in the store and on the screen. */
async function is(stage: Stage, page: PageObject, who: Person, want: Op[], how: string): Promise<void> {
  const content = normal(want)
  await untilEqual(`${how}: in the store`, content, async () => normal(await stage.program.content(page.id)))
  await untilEqual(`${how}: on the screen`, content, () => who.content())
}

async function empties(stage: Stage, page: PageObject, who: Person): Promise<void> {
  await who.presses('Mod-a', 'Delete', 'Mod-\\')
  await is(stage, page, who, EMPTY, 'emptied')
}

async function alone(stage: Stage, text = ''): Promise<[PageObject, Person]> {
  const page = await stage.write(text)
  const quill = await stage.person('Quill')
  await quill.opens(stage.at(page))
  await quill.goesToEnd()
  return [page, quill]
}

describe('every format is its attribute', () => {
  test('by the toolbar', async ({ stage }) => {
    const [page, quill] = await alone(stage)
    for (const { control, style, want } of [...TEXT_FORMATS, ...LINE_FORMATS]) {
      if (!control && !style) continue
      await quill.types('word')
      await quill.selects('word')
      if (style) await quill.chooses('Paragraph style: Text', style)
      else await quill.clicks(control!)
      await is(stage, page, quill, want, control ?? style!)
      // A second press takes it back; a paragraph style has an entry for that.
      if (style) await quill.chooses(`Paragraph style: ${style}`, 'Text')
      else await quill.clicks(control!)
      await is(stage, page, quill, [{ insert: 'word\n' }], `${control ?? style} and back`)
      await empties(stage, page, quill)
    }
  })

  test('by the keyboard', async ({ stage }) => {
    const [page, quill] = await alone(stage)
    for (const { keys, want } of [...TEXT_FORMATS, ...LINE_FORMATS]) {
      if (!keys) continue
      await quill.types('word')
      await quill.selects('word')
      await quill.presses(keys)
      await is(stage, page, quill, want, keys)
      await quill.presses(keys)
      await is(stage, page, quill, [{ insert: 'word\n' }], `${keys} twice`)
      await empties(stage, page, quill)
    }
  })

  test('as Markdown is typed', async ({ stage }) => {
    const [page, quill] = await alone(stage)
    for (const { typed, want } of [...TEXT_FORMATS, ...LINE_FORMATS]) {
      if (!typed) continue
      await quill.types(typed)
      await is(stage, page, quill, want, typed)
      await empties(stage, page, quill)
    }
  })

  test('before what is typed next', async ({ stage }) => {
    const [page, quill] = await alone(stage)
    await quill.types('plain ')
    await quill.presses('Mod-b')
    await quill.types('bold')
    await quill.presses('Mod-b')
    await quill.types(' plain')
    const want = [
      { insert: 'plain ' },
      { insert: 'bold', attributes: { bold: true } },
      { insert: ' plain\n' },
    ]
    await is(stage, page, quill, want, 'bold in the midst')
  })
})

test('a divider, by the toolbar and as it is typed', async ({ stage }) => {
  const [page, quill] = await alone(stage)
  const want = [{ insert: { divider: true } }, { insert: '\nbelow\n' }]
  await quill.types('---below')
  await is(stage, page, quill, want, '---')
  await quill.presses('Mod-a', 'Delete')
  await is(stage, page, quill, EMPTY, 'emptied')
  await quill.clicks('Divider')
  await quill.types('below')
  await is(stage, page, quill, want, 'the control')
})

test('list items are moved in and out by Tab, and leave the list by Backspace and Enter', async ({
  stage,
}) => {
  const [page, quill] = await alone(stage)
  await quill.types('- one')
  await quill.presses('Enter', 'Tab')
  await quill.types('two')
  await quill.presses('Enter', 'Tab')
  await quill.types('three')
  const item = (text: string, indent?: number): Op[] => [
    { insert: text },
    { insert: '\n', attributes: { list: 'bullet', ...(indent ? { indent } : {}) } },
  ]
  await is(stage, page, quill, [...item('one'), ...item('two', 1), ...item('three', 2)], 'Tab')
  await quill.presses('Shift-Tab')
  await is(stage, page, quill, [...item('one'), ...item('two', 1), ...item('three', 1)], 'Shift-Tab')
  await quill.presses('Enter', 'Enter', 'Enter')
  const left = [...item('one'), ...item('two', 1), ...item('three', 1), { insert: '\n' }]
  await is(stage, page, quill, left, 'Enter on empty items')

  await quill.caret('before', 'one')
  await quill.presses('Backspace')
  await is(stage, page, quill, [{ insert: 'one\n' }, ...left.slice(2)], 'Backspace at the start of an item')
})

test('a check item is ticked by a click and by the keyboard', async ({ stage }) => {
  const [page, quill] = await alone(stage)
  await quill.types('[] tea')
  await is(
    stage,
    page,
    quill,
    [{ insert: 'tea' }, { insert: '\n', attributes: { list: 'unchecked' } }],
    'written',
  )
  await quill.page.click('.h-surface [role=checkbox]')
  await is(
    stage,
    page,
    quill,
    [{ insert: 'tea' }, { insert: '\n', attributes: { list: 'checked' } }],
    'clicked',
  )
  await quill.presses('Mod-Enter')
  await is(
    stage,
    page,
    quill,
    [{ insert: 'tea' }, { insert: '\n', attributes: { list: 'unchecked' } }],
    'keys',
  )
  await quill.presses('Mod-Enter', 'Enter')
  await quill.types('cake')
  const want = [
    { insert: 'tea' },
    { insert: '\n', attributes: { list: 'checked' } },
    { insert: 'cake' },
    { insert: '\n', attributes: { list: 'unchecked' } },
  ]
  await is(stage, page, quill, want, 'the next item is not ticked')
})

test('a link is set, refused where it would run a script, followed to be changed, and removed', async ({
  stage,
}) => {
  const [page, quill] = await alone(stage, 'See the word here.')
  const linked = (link: string) => [
    { insert: 'See the ' },
    { insert: 'word', attributes: { link } },
    { insert: ' here.\n' },
  ]
  await quill.selects('word')
  await quill.presses('Mod-k')
  const field = await quill.page.waitForSelector('::-p-aria([name="Address"])')
  await field!.type('javascript:alert(1)')
  await quill.presses('Enter')
  await quill.reads('This is no address that Halley can link to.')
  await is(stage, page, quill, [{ insert: 'See the word here.\n' }], 'refused')

  await quill.presses('Mod-a')
  await quill.types('example.org/a?b=c')
  await quill.presses('Enter')
  await is(stage, page, quill, linked('https://example.org/a?b=c'), 'linked')
  const link = await quill.page.$eval('.h-surface a', a => [a.rel, a.target])
  expect(link[0]).toContain('noopener')

  await quill.caret('after', 'wo')
  await quill.clicks('Link')
  await quill.page.waitForSelector('::-p-aria([name="Address"])')
  await quill.presses('Mod-a')
  await quill.types('mailto:someone@example.org')
  await quill.presses('Enter')
  await is(stage, page, quill, linked('mailto:someone@example.org'), 'changed')

  await quill.caret('after', 'wo')
  await quill.presses('Mod-k')
  await quill.clicks('Remove link')
  await is(stage, page, quill, [{ insert: 'See the word here.\n' }], 'removed')
})

test('Enter goes on in code, and steps out of it and of a heading', async ({ stage }) => {
  const [page, quill] = await alone(stage)
  await quill.types('# Title')
  await quill.presses('Enter')
  await quill.types('text')
  await quill.presses('Enter')
  await quill.types('```js')
  await quill.presses('Enter')
  await quill.types('if (a) {')
  await quill.presses('Enter', 'Tab')
  await quill.types('**b**')
  await quill.presses('Enter')
  await quill.types('c')
  const code: Op = { insert: '\n', attributes: { 'code-block': 'js' } }
  const start = [{ insert: 'Title' }, { insert: '\n', attributes: { header: 1 } }, { insert: 'text\n' }]
  const want: Op[] = [
    ...start,
    { insert: 'if (a) {' },
    code,
    { insert: '\t**b**' },
    code,
    { insert: '\tc' },
    code,
  ]
  await is(stage, page, quill, want, 'Enter in code')
  await quill.presses('Enter', 'Shift-Tab', 'Enter')
  await quill.types('out')
  await is(stage, page, quill, [...want, { insert: 'out\n' }], 'out of code')
})

test('keys that had to wait, since the browser was busy, act one after the other', async ({ stage }) => {
  const [page, quill] = await alone(stage, 'words')
  await quill.goesToStart()
  const cdp = await quill.page.createCDPSession()
  const sends = (key: string, code: number, text?: string) =>
    (['keyDown', 'keyUp'] as const).map(type => {
      const what = { type, key, code: key, windowsVirtualKeyCode: code }
      return cdp.send('Input.dispatchKeyEvent', text && type === 'keyDown' ? { ...what, text } : what)
    })
  const busy = quill.page.evaluate(() => {
    const end = performance.now() + 300
    while (performance.now() < end);
  })
  await Promise.all([busy, ...sends('End', 35), ...sends('Enter', 13, '\r')])
  await is(stage, page, quill, [{ insert: 'words\n\n' }], 'the line is broken at its end')
})

test('a shortcut of Markdown is taken back by Backspace, and backslashes stay what they are', async ({
  stage,
}) => {
  const [page, quill] = await alone(stage)
  await quill.types('# ')
  await is(stage, page, quill, [{ insert: '\n', attributes: { header: 1 } }], 'a heading')
  await quill.presses('Backspace')
  await is(stage, page, quill, [{ insert: '# \n' }], 'taken back')
  await quill.types('\\\\\\')
  await is(stage, page, quill, [{ insert: '# \\\\\\\n' }], 'text')
})

describe('pasting', () => {
  async function pastes(who: Person, data: Record<string, string>): Promise<void> {
    await who.page.evaluate(data => {
      const clipboardData = new DataTransfer()
      for (const [type, text] of Object.entries(data)) clipboardData.setData(type, text)
      const event = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })
      document.querySelector('.h-surface')!.dispatchEvent(event)
    }, data)
  }

  test('rich text comes without what could run', async ({ stage }) => {
    const page = await stage.write('')
    const quill = await stage.person('Quill')
    // It must not run even where no policy forbids it.
    await quill.page.setBypassCSP(true)
    await quill.opens(stage.at(page))
    await quill.goesToEnd()
    await quill.page.evaluate(() => {
      Object.assign(globalThis, { ran: 0 })
    })
    await pastes(quill, {
      'text/plain': 'never mind',
      'text/html': `<html><head><script>ran = 1</script><style>p { color: red }</style></head><body onload="ran = 2">
        <h2 onclick="ran = 3">A heading</h2>
        <p style="position:fixed">Some <b>bold</b> and <i onmouseover="ran = 4">italic</i> words,
        <a href="javascript:ran=5">a bad link</a> and <a href="https://example.org/">a good one</a>.</p>
        <ul><li>one</li><li>two</li></ul>
        <img src="x" onerror="ran = 6"><svg onload="ran = 7"></svg>
        <iframe src="https://example.org/"></iframe><object data="x"></object>
        <pre>let a = 1
let b = 2</pre></body></html>`,
    })
    const code: Op = { insert: '\n', attributes: { 'code-block': true } }
    const item: Op = { insert: '\n', attributes: { list: 'bullet' } }
    const want: Op[] = [
      { insert: 'A heading' },
      { insert: '\n', attributes: { header: 2 } },
      { insert: 'Some ' },
      { insert: 'bold', attributes: { bold: true } },
      { insert: ' and ' },
      { insert: 'italic', attributes: { italic: true } },
      { insert: ' words, a bad link and ' },
      { insert: 'a good one', attributes: { link: 'https://example.org/' } },
      { insert: '.\none' },
      item,
      { insert: 'two' },
      item,
      { insert: 'let a = 1' },
      code,
      { insert: 'let b = 2' },
      code,
    ]
    await is(stage, page, quill, want, 'pasted')
    expect(await quill.page.evaluate(() => Reflect.get(globalThis, 'ran'))).toBe(0)
    const left = await quill.page.$$eval('.h-surface *', all =>
      all
        .flatMap(element => element.getAttributeNames())
        .filter(name => name.startsWith('on') || name === 'style'),
    )
    expect(left).toEqual([])
  })

  test('text with line ends of Windows comes without them', async ({ stage }) => {
    const [page, quill] = await alone(stage)
    await pastes(quill, { 'text/plain': 'one\r\ntwo\r\n\r\nthree' })
    await is(stage, page, quill, [{ insert: 'one\ntwo\n\nthree\n' }], 'pasted')
  })

  test('what was copied here comes as it was, and cut text is gone', async ({ stage }) => {
    const page = await stage.program.create({
      delta: [
        { insert: 'big', attributes: { bold: true, link: 'https://example.org/' } },
        { insert: ' word\n' },
      ],
    })
    const quill = await stage.person('Quill')
    await quill.opens(stage.at(page))
    await quill.context.overridePermissions(stage.server.url, ['clipboard-read', 'clipboard-write'])
    await quill.selects('big')
    await quill.presses('Mod-x')
    await is(stage, page, quill, [{ insert: ' word\n' }], 'cut')
    await quill.presses('Mod-End', 'Mod-v')
    const want = [
      { insert: ' word' },
      { insert: 'big', attributes: { bold: true, link: 'https://example.org/' } },
      { insert: '\n' },
    ]
    await is(stage, page, quill, want, 'pasted')
  })

  test('an address over selected words links them', async ({ stage }) => {
    const [page, quill] = await alone(stage, 'some words')
    await quill.selects('words')
    await pastes(quill, { 'text/plain': 'https://example.org/' })
    const want = [
      { insert: 'some ' },
      { insert: 'words', attributes: { link: 'https://example.org/' } },
      { insert: '\n' },
    ]
    await is(stage, page, quill, want, 'linked')
  })
})
