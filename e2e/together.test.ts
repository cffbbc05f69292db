/** Two people write on one page at once. */
import { expect } from 'vitest'
import { textOf } from './src/delta'
import { until } from './src/patience'
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

test('undo and redo are of one’s own edits only, with the other’s in between', async ({ stage }) => {
  const page = await stage.write('middle')
  const [mira, jonas] = await stage.two(page)
  await mira.caret('before', 'middle')
  await mira.types('Mira. ')
  await jonas.sees('Mira. middle')
  await jonas.goesToEnd()
  await jonas.types(' Jonas.')
  await mira.sees('Jonas.')
  await mira.selects('middle')
  await mira.presses('Mod-b')
  await jonas.page.waitForSelector('.h-surface strong')
  await jonas.caret('after', 'midd')
  await jonas.types('XX')
  await mira.sees('middXXle')

  const after = async () => stage.agree(page, mira, jonas)
  await mira.presses('Mod-z')
  const [one] = await after()
  // What he wrote into the bold word is his; whether it is bold is not hers to undo.
  expect(one).toMatchObject({ insert: expect.stringContaining('Mira. midd') })
  await mira.presses('Mod-z')
  expect(textOf(await after())).toBe('middXXle Jonas.\n')
  await mira.presses('Mod-z')
  expect(textOf(await after()), 'she has nothing more to undo').toBe('middXXle Jonas.\n')
  await mira.presses('Mod-Shift-z')
  expect(textOf(await after())).toBe('Mira. middXXle Jonas.\n')
  await mira.presses('Mod-y')
  expect((await after()).some(op => op.attributes?.bold && `${op.insert}`.includes('midd'))).toBe(true)
  await jonas.presses('Mod-z')
  expect(textOf(await after())).toBe('Mira. middle Jonas.\n')
  await jonas.presses('Mod-z')
  expect(textOf(await after())).toBe('Mira. middle\n')
})
