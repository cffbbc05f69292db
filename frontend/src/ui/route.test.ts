import { expect, test } from 'vitest'
import { listHref, parseRoute } from './route'

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

test.each([
  [{}, '/'],
  [{ query: 'a&b' }, '/?q=a%26b'],
  [{ trash: true }, '/?trash=1'],
])('the address of %j leads back to it', (view, href) => {
  expect(listHref(view)).toBe(href)
  expect(parseRoute(new URL(href, 'http://halley.test'))).toEqual({
    screen: 'list',
    query: '',
    trash: false,
    ...view,
  })
})
