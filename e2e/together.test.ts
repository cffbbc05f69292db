/** Two people write on one page at once. */
import { expect } from 'vitest'
import { textOf } from './src/delta'
import { until } from './src/patience'
import type { Op } from './src/program'
import { test } from './src/stage'
import { countTokens, tokens } from './src/tokens'

test('two people type into the same paragraph at once and end equal, in both browsers and in the store', async ({
  stage,
}) => {
  const page = await stage.write('Between the two of us stands this.')
  const [quill, ink] = await stage.two(page)
  await quill.caret('after', 'Between')
  await ink.caret('after', 'this')

  const write = async (who: typeof quill, mark: string, format: string) => {
    for (const [i, token] of tokens(mark, 20).entries()) {
      if (i % 5 === 0) await who.presses(format)
      await who.types(` ${token}`)
    }
  }
  await Promise.all([write(quill, 'm', 'Mod-b'), write(ink, 'j', 'Mod-i')])

  const stored = await stage.agree(page, quill, ink)
  expect(countTokens(textOf(stored))).toEqual({ m: 20, j: 20 })
  expect(textOf(stored)).toMatch(/^Between m0 .* m19 the two of us stands this j0 .* j19\.\n$/)
  expect(stored.some(op => op.attributes?.bold && `${op.insert}`.includes('m3'))).toBe(true)
  expect(stored.some(op => op.attributes?.italic && `${op.insert}`.includes('j3'))).toBe(true)
  expect(stored.some(op => !op.attributes && `${op.insert}`.includes('m7'))).toBe(true)
  expect((await quill.chip()).text).toBe('Saved')
})

test('two people type at the very same place and end equal', async ({ stage }) => {
  const page = await stage.write('')
  const [quill, ink] = await stage.two(page)
  await quill.goesToStart()
  await ink.goesToStart()
  await Promise.all([quill.types('aaaaaaaaaaaaaaaaaaaa'), ink.types('bbbbbbbbbbbbbbbbbbbb')])

  const text = textOf(await stage.agree(page, quill, ink))
  expect([...text].sort().join('').trim()).toBe('a'.repeat(20) + 'b'.repeat(20))
})

test('a format that was turned on for what comes next stays on while the other writes', async ({ stage }) => {
  const page = await stage.write('Mira: and Jonas:')
  const [mira, jonas] = await stage.two(page)
  await mira.caret('after', 'Mira:')
  await mira.presses('Mod-b')
  await jonas.goesToEnd()
  await jonas.types(' hello')
  await mira.sees('hello')
  await mira.types(' loud')
  expect(await stage.agree(page, mira, jonas)).toEqual([
    { insert: 'Mira:' },
    { insert: ' loud', attributes: { bold: true } },
    { insert: ' and Jonas: hello' },
    { insert: '\n' },
  ])
})

test('each sees where the other is, by name, and who is here', async ({ stage }) => {
  const page = await stage.write('First line\nSecond line')
  const [quill, ink] = await stage.two(page)
  await quill.caret('after', 'First')
  await ink.selects('Second')

  await until('each sees the cursor of the other', async () => {
    const seen = [await quill.cursors(), await ink.cursors()]
    return `${seen}` === 'Ink,Quill' ? true : undefined
  })
  await quill.page.waitForSelector('.h-selection > *')
  const [selection, word] = await quill.page.evaluate(() => {
    const range = document.createRange()
    range.setStart(document.querySelectorAll('.h-surface p')[1]!.firstChild!, 0)
    range.setEnd(range.startContainer, 'Second'.length)
    const boxes = [document.querySelector('.h-selection > *')!, range]
    return boxes
      .map(box => box.getBoundingClientRect())
      .map(({ left, right }) => [left, right].map(Math.round))
  })
  expect(selection, 'where the selection is drawn').toEqual(word)

  await quill.clicks('2 people here')
  await quill.reads('Quill (you)')
  await quill.reads('Ink')

  await ink.page.close()
  await until('the cursor goes with its person', async () =>
    (await quill.cursors()).length === 0 ? true : undefined,
  )
})

test('undo and redo are of one’s own edits only, with the other’s before, within and after them', async ({
  stage,
}) => {
  const page = await stage.write('middle')
  const [quill, ink] = await stage.two(page)
  await quill.caret('before', 'middle')
  await quill.types('Quill. ')
  await ink.sees('Quill. middle')
  await quill.selects('middle')
  await quill.presses('Mod-b')
  await ink.page.waitForSelector('.h-surface strong')
  await ink.caret('after', 'midd')
  await ink.types('XX')
  await ink.goesToEnd()
  await ink.presses('Mod-b')
  await ink.types(' after')
  await ink.goesToStart()
  await ink.types('Before. ')

  const bold = { bold: true }
  const is = async (...want: Op[]) =>
    expect(await stage.agree(page, quill, ink)).toEqual([...want, { insert: '\n' }])
  await is({ insert: 'Before. Quill. ' }, { insert: 'middXXle', attributes: bold }, { insert: ' after' })
  await quill.presses('Mod-z')
  // Her undo takes her bold off her words; what he wrote within them is not hers to change.
  await is({ insert: 'Before. Quill. midd' }, { insert: 'XX', attributes: bold }, { insert: 'le after' })
  await quill.presses('Mod-z')
  await is({ insert: 'Before. midd' }, { insert: 'XX', attributes: bold }, { insert: 'le after' })
  await quill.presses('Mod-z')
  await is({ insert: 'Before. midd' }, { insert: 'XX', attributes: bold }, { insert: 'le after' })
  await quill.presses('Mod-Shift-z')
  await is({ insert: 'Before. Quill. midd' }, { insert: 'XX', attributes: bold }, { insert: 'le after' })
  await quill.presses('Mod-y')
  await is({ insert: 'Before. Quill. ' }, { insert: 'middXXle', attributes: bold }, { insert: ' after' })
  await ink.presses('Mod-z', 'Mod-z')
  await is({ insert: 'Quill. ' }, { insert: 'middXXle', attributes: bold })
  await ink.presses('Mod-z')
  await is({ insert: 'Quill. ' }, { insert: 'middle', attributes: bold })
})
