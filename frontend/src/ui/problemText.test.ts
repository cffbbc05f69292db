import { expect, test } from 'vitest'
import { Problem } from '../protocol/wire'
import { problemText } from './problemText'
import { strings } from './strings'

test.each([
  [
    'what the server says of this case',
    new Problem(422, 'page-full', 'Full', 'the page is full'),
    'The page is full.',
  ],
  [
    'our own words where it says nothing',
    new Problem(403, 'forbidden', 'Forbidden'),
    strings.problems.forbidden,
  ],
  [
    'its title for a type that is new',
    new Problem(409, 'newer', 'Something newer is there'),
    'Something newer is there.',
  ],
  ['never its inner troubles', new Problem(500, 'internal', 'x', 'nil pointer'), strings.problems.internal],
  ['that it is out of reach', new Problem(0, 'unreachable', 'x', 'y'), strings.problems.unreachable],
  [
    'nothing of what only programs understand',
    new TypeError('undefined is no function'),
    'Something went wrong.',
  ],
])('%s', (_, error, said) => {
  expect(problemText(error)).toBe(said)
})
