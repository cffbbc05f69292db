import { expect, test } from 'vitest'
import { initials, inkOn } from './avatar'

test.each([
  ['Edmond Halley', 'EH'],
  ['caroline', 'C'],
  ['  Maria  Margaretha von Kirch ', 'MK'],
  ['', ''],
  ['👩‍🚀 moon', '👩‍🚀M'],
  ['éa', 'É'],
])('%s', (name, letters) => {
  expect(initials(name)).toBe(letters)
})

test('the ink on a colour can be read', () => {
  expect(inkOn('#ffffff')).toBe('#000')
  expect(inkOn('#ffd400')).toBe('#000')
  expect(inkOn('#1a3a8a')).toBe('#fff')
  expect(inkOn('tomato')).toBe('#fff')
})
