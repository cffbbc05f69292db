import { expect, test } from 'vitest'
import { plainText } from './plainText'

test('text stays, embeds are named', () => {
  expect(
    plainText([
      { insert: 'See ', attributes: { bold: true } },
      { insert: { image: '/files/a' } },
      { insert: '\n' },
      { insert: { divider: true } },
      { insert: '\n' },
    ]),
  ).toBe('See [image]\n---\n')
})
