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
  const [mira, jonas] = await stage.two(page)
  await mira.caret('after', 'Between')
  await jonas.caret('after', 'this')

  const write = async (who: typeof mira, mark: string, format: string) => {
    for (const [i, token] of tokens(mark, 20).entries()) {
      if (i % 5 === 0) await who.presses(format)
      await who.types(` ${token}`)
    }
  }
  await Promise.all([write(mira, 'm', 'Mod-b'), write(jonas, 'j', 'Mod-i')])

  const stored = await stage.agree(page, mira, jonas)
  expect(countTokens(textOf(stored))).toEqual({ m: 20, j: 20 })
  expect(textOf(stored)).toMatch(/^Between m0 .* m19 the two of us stands this j0 .* j19\.\n$/)
  expect(stored.some(op => op.attributes?.bold && `${op.insert}`.includes('m3'))).toBe(true)
  expect(stored.some(op => op.attributes?.italic && `${op.insert}`.includes('j3'))).toBe(true)
  expect(stored.some(op => !op.attributes && `${op.insert}`.includes('m7'))).toBe(true)
  expect((await mira.chip()).text).toBe('Saved')
})

test('two people type at the very same place and end equal', async ({ stage }) => {
  const page = await stage.write('')
  const [mira, jonas] = await stage.two(page)
  await mira.goesToStart()
  await jonas.goesToStart()
  await Promise.all([mira.types('aaaaaaaaaaaaaaaaaaaa'), jonas.types('bbbbbbbbbbbbbbbbbbbb')])

  const text = textOf(await stage.agree(page, mira, jonas))
  expect([...text].sort().join('').trim()).toBe('a'.repeat(20) + 'b'.repeat(20))
})

test('each sees where the other is, by name, and who is here', async ({ stage }) => {
  const page = await stage.write('First line\nSecond line')
  const [mira, jonas] = await stage.two(page)
  await mira.caret('after', 'First')
  await jonas.selects('Second')

  await until('each sees the cursor of the other', async () => {
    const seen = [await mira.cursors(), await jonas.cursors()]
    return `${seen}` === 'Jonas,Mira' ? true : undefined
  })
  await mira.page.waitForSelector('.h-selection > *')
  const [selection, word] = await mira.page.evaluate(() => {
    const range = document.createRange()
    range.setStart(document.querySelectorAll('.h-surface p')[1]!.firstChild!, 0)
    range.setEnd(range.startContainer, 'Second'.length)
    const boxes = [document.querySelector('.h-selection > *')!, range]
    return boxes
      .map(box => box.getBoundingClientRect())
      .map(({ left, right }) => [left, right].map(Math.round))
  })
  expect(selection, 'where the selection is drawn').toEqual(word)

  await mira.clicks('2 people here')
  await mira.reads('Mira (you)')
  await mira.reads('Jonas')

  await jonas.page.close()
  await until('the cursor goes with its person', async () =>
    (await mira.cursors()).length === 0 ? true : undefined,
  )
})

test('undo and redo are of one’s own edits only, with the other’s before, within and after them', async ({
  stage,
}) => {
  const page = await stage.write('middle')
  const [mira, jonas] = await stage.two(page)
  await mira.caret('before', 'middle')
  await mira.types('Mira. ')
  await jonas.sees('Mira. middle')
  await mira.selects('middle')
  await mira.presses('Mod-b')
  await jonas.page.waitForSelector('.h-surface strong')
  await jonas.caret('after', 'midd')
  await jonas.types('XX')
  await jonas.goesToEnd()
  await jonas.presses('Mod-b')
  await jonas.types(' after')
  await jonas.goesToStart()
  await jonas.types('Before. ')

  const bold = { bold: true }
  const is = async (...want: Op[]) =>
    expect(await stage.agree(page, mira, jonas)).toEqual([...want, { insert: '\n' }])
  await is({ insert: 'Before. Mira. ' }, { insert: 'middXXle', attributes: bold }, { insert: ' after' })
  await mira.presses('Mod-z')
  // Her undo takes her bold off her words; what he wrote within them is not hers to change.
  await is({ insert: 'Before. Mira. midd' }, { insert: 'XX', attributes: bold }, { insert: 'le after' })
  await mira.presses('Mod-z')
  await is({ insert: 'Before. midd' }, { insert: 'XX', attributes: bold }, { insert: 'le after' })
  await mira.presses('Mod-z')
  await is({ insert: 'Before. midd' }, { insert: 'XX', attributes: bold }, { insert: 'le after' })
  await mira.presses('Mod-Shift-z')
  await is({ insert: 'Before. Mira. midd' }, { insert: 'XX', attributes: bold }, { insert: 'le after' })
  await mira.presses('Mod-y')
  await is({ insert: 'Before. Mira. ' }, { insert: 'middXXle', attributes: bold }, { insert: ' after' })
  await jonas.presses('Mod-z', 'Mod-z')
  await is({ insert: 'Mira. ' }, { insert: 'middXXle', attributes: bold })
  await jonas.presses('Mod-z')
  await is({ insert: 'Mira. ' }, { insert: 'middle', attributes: bold })
})
