/**
 * Input methods: a word is composed in Chromium, by the same calls by which
 * the system's input methods drive it, while somebody else writes around it.
 */
import type { CDPSession } from 'puppeteer-core'
import { expect } from 'vitest'
import { textOf } from './src/delta'
import { until, untilEqual } from './src/patience'
import type { Person } from './src/person'
import type { Op, PageObject } from './src/program'
import { type Stage, test } from './src/stage'

/** What an input method does in a page. */
class InputMethod {
  readonly #cdp: CDPSession

  private constructor(cdp: CDPSession) {
    this.#cdp = cdp
  }

  static async of(who: Person): Promise<InputMethod> {
    return new InputMethod(await who.page.createCDPSession())
  }

  /** Shows some text as what is being composed, with the caret behind it. */
  async composes(text: string): Promise<void> {
    const end = text.length
    await this.#cdp.send('Input.imeSetComposition', { text, selectionStart: end, selectionEnd: end })
  }

  async commits(text: string): Promise<void> {
    await this.#cdp.send('Input.insertText', { text })
  }

  cancels(): Promise<void> {
    return this.composes('')
  }
}

interface Scene {
  page: PageObject
  quill: Person
  ink: Person
  ime: InputMethod
}

/** Quill has an input method and her caret behind “here:”; Ink has the page open too. */
async function scene(stage: Stage, text = 'Before. Compose here: after.'): Promise<Scene> {
  const page = await stage.write(text)
  const [quill, ink] = await stage.two(page)
  await quill.caret('after', 'here:')
  return { page, quill, ink, ime: await InputMethod.of(quill) }
}

/** All that one person's edits put into the page, and how much they took out. */
async function written(
  stage: Stage,
  page: PageObject,
  who: Person,
): Promise<{ inserted: string; deleted: number }> {
  const { user } = await who.page.evaluate(async () => {
    const response = await fetch('/api/session')
    return { user: ((await response.json()) as { id: string }).id }
  })
  let inserted = ''
  let deleted = 0
  for (const { author, delta } of await stage.program.changes(page.id)) {
    if (author !== user) continue
    inserted += textOf(delta.filter((op): op is Op => 'insert' in op))
    for (const op of delta) if ('delete' in op) deleted += op.delete
  }
  return { inserted, deleted }
}

test('a word is composed and arrives once, with others’ changes before it, after it and beside it', async ({
  stage,
}) => {
  const { page, quill, ink, ime } = await scene(stage)
  await ime.composes('に')
  await ink.sees('here:に')
  await ink.goesToStart()
  await ink.types('[start]')
  await ime.composes('にほ')
  await ink.caret('after', 'after')
  await ink.types('[end]')
  await ime.composes('にほんご')
  await ink.sees('here:にほんご')
  await ink.caret('before', ' after')
  await ink.types('[beside]')
  await ime.commits('日本語')

  const text = textOf(await stage.agree(page, quill, ink))
  expect(text).toBe('[start]Before. Compose here:日本語[beside] after[end].\n')
  const mine = await written(stage, page, quill)
  expect(mine.inserted, 'nothing of his was sent back by her').not.toMatch(/start|end|beside/)
  expect(mine.inserted.length - mine.deleted, 'of hers the word remains').toBe('日本語'.length)
  const his = await written(stage, page, ink)
  expect([his.inserted, his.deleted]).toEqual(['[start][end][beside]', 0])
})

test('others’ changes are held while a word is composed, and come when it is done', async ({ stage }) => {
  const { page, quill, ink, ime } = await scene(stage)
  await ime.composes('か')
  await ink.sees('か')
  await stage.program.edit(page.id, [{ insert: 'Held. ' }])
  await until('the change is with the other', async () => {
    // Without a sign of life for two seconds a composition would count as left alone.
    await ime.composes('か')
    return (await ink.text()).startsWith('Held.') ? true : undefined
  })
  const before = await quill.text()
  await ime.composes('かん')
  expect(before, 'the text around the composition does not move').not.toContain('Held.')
  await ime.composes('かんじ')
  expect(await quill.text()).toBe('Before. Compose here:かんじ after.\n')
  await ime.commits('漢字')
  expect(textOf(await stage.agree(page, quill, ink))).toBe('Held. Before. Compose here:漢字 after.\n')
})

test('somebody writes into the word that is being composed, and takes a part of it away', async ({
  stage,
}) => {
  const { page, quill, ink, ime } = await scene(stage)
  await ime.composes('ねこいぬ')
  await ink.sees('here:ねこいぬ')
  await ink.caret('after', 'ねこ')
  await ink.types('[in]')
  await ink.caret('after', 'いぬ')
  await ink.presses('Backspace')
  await ink.sees('ねこ[in]い')
  await ime.composes('ねこいぬと')
  await ime.commits('猫犬と')

  const text = textOf(await stage.agree(page, quill, ink))
  const stored = text.replace('[in]', '')
  expect(text.split('[in]')).toHaveLength(2)
  expect(stored).toMatch(/^Before\. Compose here:.*猫犬と.* after\.\n$/)
  expect(text.match(/猫/g)).toHaveLength(1)
  expect((await written(stage, page, quill)).inserted).not.toContain('[in]')
})

test('a composition that is given up leaves nothing, and loses nothing of others', async ({ stage }) => {
  const { page, quill, ink, ime } = await scene(stage)
  await ime.composes('ab')
  await ime.composes('abc')
  await ink.sees('here:abc')
  await ink.goesToEnd()
  await ink.types(' His.')
  await ime.cancels()
  await ink.types(' More.')
  const want = 'Before. Compose here: after. His. More.\n'
  expect(textOf(await stage.agree(page, quill, ink))).toBe(want)
  await quill.types('!')
  expect(textOf(await stage.agree(page, quill, ink)), 'her caret is where it was').toBe(
    'Before. Compose here:! after. His. More.\n',
  )
})

test('a composition over a selection replaces it, while others write into that', async ({ stage }) => {
  const { page, quill, ink, ime } = await scene(stage)
  await ink.goesToStart()
  await quill.selects('Compose')
  await ime.composes('s')
  await ink.sees('Before. s here')
  await ink.types('Yes. ')
  await ime.composes('sh')
  await ime.commits('書く')
  expect(textOf(await stage.agree(page, quill, ink))).toBe('Yes. Before. 書く here: after.\n')
})

test('one word is composed after the other while somebody types all the time', async ({ stage }) => {
  const { page, quill, ink, ime } = await scene(stage)
  await ink.goesToStart()
  let composing = true
  const typing = (async () => {
    for (let i = 0; composing; i++) await ink.types(`${i} `)
  })()
  const words = ['東京', '大阪', '京都', '札幌', '福岡']
  for (const word of words) {
    for (const part of ['a', 'ab', 'abc', 'abcd']) await ime.composes(part)
    await ime.commits(word)
  }
  composing = false
  await typing
  const text = textOf(await stage.agree(page, quill, ink))
  expect(text).toContain(`Before. Compose here:${words.join('')} after.\n`)
  expect(text.split(' ').map(Number).filter(Number.isInteger).length).toBeGreaterThan(5)
  expect((await written(stage, page, quill)).inserted).not.toMatch(/\d/)
})

test('a composition that nobody ends does not hold others back for ever', async ({ stage }) => {
  const { quill, ink, ime } = await scene(stage)
  await ime.composes('あ')
  await ink.sees('あ')
  await ink.goesToStart()
  await ink.types('At last. ')
  await quill.sees('At last. ')
  await until('the word is still there', async () =>
    (await quill.text()).includes('here:あ') ? true : undefined,
  )
})

test('a word composed in bold stays bold, and one at the very start of an empty page is there', async ({
  stage,
}) => {
  const page = await stage.write('')
  const [quill, ink] = await stage.two(page)
  await quill.goesToStart()
  const ime = await InputMethod.of(quill)
  await ime.composes('x')
  await ime.commits('一')
  await quill.presses('Mod-b')
  await ime.composes('y')
  await ime.composes('yy')
  await ime.commits('二')
  await untilEqual(
    'bold',
    [{ insert: '一' }, { insert: '二', attributes: { bold: true } }, { insert: '\n' }],
    () => stage.agree(page, quill, ink),
  )
})
