/** What everybody needs: keys for every control, names for every control, a phone's width, the dark. */
import axeCore from 'axe-core'
import type { SerializedAXNode } from 'puppeteer-core'
import { describe, expect } from 'vitest'
import { untilEqual } from './src/patience'
import type { Person } from './src/person'
import { type Stage, test } from './src/stage'

const PHONE = { width: 375, height: 667, deviceScaleFactor: 2, isMobile: true, hasTouch: true }

/** The palette of a page, and colours that somebody chose: black, white, and what is between. */
const COLORS = [
  ...'gray red orange yellow green teal blue purple pink brown'.split(' '),
  ...['#000000', '#ffffff', '#ffff00', '#0000ff', '#808080', '#ff0000'],
]

/** The screens, each with all that it can show at once. */
const SCREENS: Record<string, (stage: Stage, who: Person) => Promise<void>> = {
  welcome: async (stage, who) => {
    await who.context.deleteCookie(...(await who.context.cookies()))
    await who.page.goto(stage.server.url)
    await who.reads('What should others call you?')
  },
  list: async (stage, who) => {
    await stage.program.create({ title: 'One', delta: [{ insert: 'words\n' }] })
    await stage.program.create({ title: 'Two' })
    await who.page.goto(stage.server.url)
    await who.reads('Two')
  },
  page: async (stage, who) => {
    const page = await stage.program.create({
      title: 'A page',
      delta: [
        { insert: 'Heading' },
        { insert: '\n', attributes: { header: 2 } },
        { insert: 'Text with a ' },
        { insert: 'link', attributes: { link: 'https://example.org/' } },
        { insert: ' and ' },
        { insert: 'code', attributes: { code: true } },
        { insert: '.\nitem' },
        { insert: '\n', attributes: { list: 'unchecked' } },
        { insert: 'a very-long-line-of-code(without, a, place, to, break, it, at, all, or, so, it, seems)' },
        { insert: '\n', attributes: { 'code-block': true } },
        { insert: 'quote' },
        { insert: '\n', attributes: { blockquote: true } },
        { insert: 'A tip' },
        { insert: '\n', attributes: { callout: 'tip' } },
        { insert: 'with a ' },
        { insert: 'link', attributes: { link: 'https://example.org/', background: 'red' } },
        { insert: '\n', attributes: { callout: 'tip' } },
        ...['info', 'warning'].flatMap(callout => [
          { insert: callout },
          { insert: '\n', attributes: { callout } },
        ]),
        ...COLORS.map(color => ({ insert: `${color} `, attributes: { color } })),
        ...COLORS.map((color, i) => ({
          insert: `on ${color} `,
          attributes: { background: color, color: COLORS[(i + 3) % COLORS.length]! },
        })),
        ...COLORS.map(color => ({ insert: `plain on ${color} `, attributes: { background: color } })),
        { insert: '\n' },
        { insert: '\n', attributes: { list: 'checked' } },
        { insert: 'done' },
        { insert: '\n', attributes: { list: 'checked' } },
        { insert: 'Averyveryveryveryveryveryveryveryveryveryveryveryveryverylongword.\n' },
      ],
    })
    await who.opens(stage.at(page))
  },
}

describe.each(Object.entries(SCREENS))('%s', (_, shows) => {
  test('every control has a name, and there is nothing that only some can see', async ({ stage }) => {
    const quill = await stage.person('Quill')
    await shows(stage, quill)
    const tree = await quill.page.accessibility.snapshot({ interestingOnly: true })
    const nameless = flat(tree!).filter(
      ({ role, name }) => /button|link|textbox|searchbox|checkbox|menuitem|image/.test(role) && !name?.trim(),
    )
    expect(nameless).toEqual([])
    expect(await quill.page.evaluate(wrongs)).toEqual([])
  })

  test('axe finds nothing, in the light and in the dark', async ({ stage }) => {
    const quill = await stage.person('Quill')
    await shows(stage, quill)
    for (const value of ['light', 'dark']) {
      await quill.page.emulateMediaFeatures([
        { name: 'prefers-color-scheme', value },
        { name: 'prefers-reduced-motion', value: 'reduce' },
      ])
      expect(await axe(quill), value).toEqual([])
    }
  })

  test('every control is reached with the keyboard, and shows that it is', async ({ stage }) => {
    const quill = await stage.person('Quill')
    await shows(stage, quill)
    await quill.page.evaluate(() => {
      if (document.activeElement instanceof HTMLElement) document.activeElement.blur()
    })
    const want = await quill.page.evaluate(reachable)
    const reached = new Set<string>()
    const unseen: string[] = []
    for (let i = 0; i < want.length + 8; i++) {
      // In the text Tab indents; Escape before it leads on.
      if (await quill.page.evaluate(() => document.activeElement?.matches('.h-surface') ?? false)) {
        await quill.presses('Escape')
      }
      await quill.presses('Tab')
      const { name, visible } = await quill.page.evaluate(focused)
      reached.add(name)
      if (!visible) unseen.push(name)
    }
    expect(
      want.filter(name => !reached.has(name)),
      'controls that Tab does not reach',
    ).toEqual([])
    expect(unseen, 'controls that do not show the focus').toEqual([])
  })

  test('text stands out from its ground, in the light and in the dark', async ({ stage }) => {
    const quill = await stage.person('Quill')
    await shows(stage, quill)
    const grounds: string[] = []
    for (const value of ['light', 'dark']) {
      await quill.page.emulateMediaFeatures([
        { name: 'prefers-color-scheme', value },
        { name: 'prefers-reduced-motion', value: 'reduce' },
      ])
      await untilEqual(`faint text in the ${value}`, [], () => quill.page.evaluate(faint))
      grounds.push(
        await quill.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor),
      )
    }
    expect(grounds[0], 'the dark is another').not.toBe(grounds[1])
  })

  test('nothing is wider than a phone', async ({ stage }) => {
    const quill = await stage.person('Quill')
    await quill.page.setViewport(PHONE)
    await shows(stage, quill)
    const [width, wide] = await quill.page.evaluate(() => [
      document.documentElement.scrollWidth,
      Array.from(document.querySelectorAll('body *'))
        .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
        .filter(element => !element.closest('.toolbar-inner, pre, [popover], .visually-hidden, .h-overlay'))
        .map(element => `${element.tagName}.${element.className}`),
    ])
    expect(wide).toEqual([])
    expect(width).toBe(PHONE.width)
  })
})

test('axe finds nothing in the dialogs and menus of a page', async ({ stage }) => {
  const page = await stage.program.create({
    title: 'A page',
    delta: [{ insert: 'bold', attributes: { bold: true } }, { insert: '\n' }],
  })
  const quill = await stage.person('Quill')
  // While a dialog fades in, its text is faint.
  await quill.page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }])
  await quill.opens(stage.at(page))
  await quill.presses('Mod-/')
  await quill.reads('Keyboard shortcuts')
  expect(await axe(quill), 'shortcuts').toEqual([])
  await quill.presses('Escape')
  await quill.clicks('Page menu')
  expect(await axe(quill), 'menu').toEqual([])
  await quill.presses('Escape')
  await quill.chooses('Page menu', 'Plain text')
  await quill.reads("can't keep")
  expect(await axe(quill), 'what an export lost').toEqual([])
})

test('on a phone the toolbar is at hand, and formats what is selected', async ({ stage }) => {
  const page = await stage.write('Some word.')
  const quill = await stage.person('Quill')
  await quill.page.setViewport(PHONE)
  await quill.opens(stage.at(page))
  await quill.selects('word')
  const small = await quill.page.$$eval('[role=toolbar] button', all =>
    all
      .map(button => button.getBoundingClientRect())
      .filter(({ width, height }) => width < 24 || height < 24),
  )
  expect(small, 'controls that are too small for a finger').toEqual([])
  await quill.page.tap('::-p-aria([name="Bold"])')
  const want = [
    { insert: 'Some ' },
    { insert: 'word', attributes: { bold: true } },
    { insert: '.' },
    { insert: '\n' },
  ]
  expect(await stage.agree(page, quill)).toEqual(want)
  // The last control is beyond the edge, and is scrolled to within the bar.
  await quill.page.tap('::-p-aria([name="Clear formatting"])')
  expect(await stage.agree(page, quill)).toEqual([{ insert: 'Some word.' }, { insert: '\n' }])
  expect(await quill.page.evaluate(() => scrollX)).toBe(0)
})

test('the toolbar is one stop for Tab, with arrows within, and menus and dialogs give the focus back', async ({
  stage,
}) => {
  const page = await stage.write('Text.')
  const quill = await stage.person('Quill')
  await quill.opens(stage.at(page))
  const focus = () =>
    quill.page.evaluate(
      () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.tagName,
    )
  await quill.goesToEnd()
  await quill.presses('Alt-F10')
  await untilEqual('the focus', 'Undo', focus)
  await quill.presses('End')
  expect(await focus()).toBe('Clear formatting')
  await quill.presses('Home', 'ArrowRight', 'ArrowRight')
  expect(await focus()).toBe('Paragraph style: Text')
  await quill.presses('ArrowDown')
  await quill.page.waitForSelector('[role=menu]')
  await quill.presses('Escape')
  await untilEqual('the focus after a menu', 'Paragraph style: Text', focus)

  await quill.goesToEnd()
  await quill.presses('Mod-/')
  await quill.reads('Keyboard shortcuts')
  await quill.presses('Escape')
  await untilEqual('the focus after a dialog', 'Text of the page', focus)
})

function flat(node: SerializedAXNode): SerializedAXNode[] {
  return [node, ...(node.children ?? []).flatMap(flat)]
}

// What follows runs in the page.

/** What is wrong with a document as such. */
/** What axe objects to on a screen, with the elements. Nothing is exempted. */
async function axe({ page }: Person): Promise<string[]> {
  // The page's own policy lets no script in; the debugger may.
  await page.evaluate(`${axeCore.source}; undefined`)
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axeCore }).axe.run()
    return violations.map(
      ({ id, help, nodes }) => `${id} (${help}): ${nodes.map(node => node.html).join(' ')}`,
    )
  })
}

function wrongs(): string[] {
  const found: string[] = []
  if (!document.documentElement.lang) found.push('no lang')
  if (!document.title) found.push('no title')
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1')
  if (document.querySelectorAll('main').length !== 1) found.push('not one main')
  for (const image of document.images) if (!image.hasAttribute('alt')) found.push(`no alt: ${image.src}`)
  const ids = Array.from(document.querySelectorAll('[id]'), ({ id }) => id)
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`the id ${id} twice`)
  for (const name of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      const id = element.getAttribute(name)!
      if (!document.getElementById(id)) found.push(`${name} leads nowhere: ${id}`)
    }
  }
  for (const element of document.querySelectorAll('[tabindex]')) {
    if (Number(element.getAttribute('tabindex')) > 0)
      found.push(`its own order: ${element.outerHTML.slice(0, 80)}`)
  }
  for (const element of document.querySelectorAll('[aria-hidden=true] :is(a, button, input)')) {
    found.push(`hidden, yet a control: ${element.outerHTML.slice(0, 80)}`)
  }
  return found
}

/** The controls that Tab should stop at: of the toolbar one, and of the text the text. */
function reachable(): string[] {
  const controls = document.querySelectorAll<HTMLElement>(
    'a[href], button, input, textarea, select, [contenteditable=true]',
  )
  return Array.from(controls)
    .filter(control => control.checkVisibility() && !control.matches('[tabindex="-1"], .h-surface *'))
    .map(control => control.getAttribute('aria-label') || control.textContent || control.id)
}

function focused(): { name: string; visible: boolean } {
  const element = document.activeElement as HTMLElement
  const ring = [undefined, '::after'].some(part => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element, part)
    return (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none'
  })
  // A caret is shown where one writes.
  const writes = element.matches('textarea, [contenteditable=true], body')
  const name = element.getAttribute('aria-label') || element.textContent || element.id
  return { name, visible: ring || writes }
}

/** Text whose contrast is under what WCAG's AA asks for. */
function faint(): string[] {
  type Color = [number, number, number, number]
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!
  const colorOf = (css: string): Color => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = css
    canvas.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data
    return [r!, g!, b!, a! / 255]
  }
  const over = ([r, g, b, a]: Color, [x, y, z]: Color): Color => [
    r * a + x * (1 - a),
    g * a + y * (1 - a),
    b * a + z * (1 - a),
    1,
  ]
  const groundOf = (element: Element | null): Color => {
    if (!element) return colorOf('Canvas')
    const own = colorOf(getComputedStyle(element).backgroundColor)
    return own[3] === 1 ? own : over(own, groundOf(element.parentElement))
  }
  const light = (color: Color) => {
    const [r, g, b] = color.map(part => {
      const value = part / 255
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
  }
  const found: string[] = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement!
    const text = walker.currentNode.nodeValue!.trim()
    if (text === '' || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue
    if (element.closest('.visually-hidden, [aria-disabled=true], [popover], script, style')) continue
    const style = getComputedStyle(element)
    const ground = groundOf(element)
    const [a, b] = [light(over(colorOf(style.color), ground)), light(ground)]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    const large = Number.parseFloat(style.fontSize) >= 24
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)}: ${text.slice(0, 40)}`)
  }
  return found
}
