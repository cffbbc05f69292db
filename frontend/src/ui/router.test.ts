import { expect, test } from 'vitest'
import { parseRoute } from './router'

test.each([
  ['/', { screen: 'list', query: '', trash: false }],
  ['/?q=comet', { screen: 'list', query: 'comet', trash: false }],
  ['/?trash=1', { screen: 'list', query: '', trash: true }],
  ['/p/Ab_-9', { screen: 'page', id: 'Ab_-9' }],
  ['/p/Ab_-9/', { screen: 'page', id: 'Ab_-9' }],
  ['/p/', { screen: 'unknown' }],
  ['/p/a%2Fb', { screen: 'unknown' }],
  ['/elsewhere', { screen: 'unknown' }],
])('%s', (path, route) => {
  expect(parseRoute(new URL(path, 'http://halley.test'))).toEqual(route)
})
