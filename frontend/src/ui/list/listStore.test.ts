import { expect, test } from 'vitest'
import type { Api, PageList, PageRow } from '../../transport/api'
import { appendPage, applyEvent, ListStore } from './listStore'

const row = (id: string, minute: number, title = id): PageRow => ({
  id,
  title,
  seq: 1,
  role: 'own',
  created: '2026-01-01T00:00:00.000Z',
  updated: `2026-01-01T00:${String(minute).padStart(2, '0')}:00.000Z`,
})
const ids = (list: { rows: PageRow[] }) => list.rows.map(each => each.id).join(' ')
const all = { query: '', trash: false }
const three = { rows: [row('c', 30), row('b', 20), row('a', 10)], cursor: null }

test('a page that changes comes to its place', () => {
  expect(ids(applyEvent(three, { page: row('a', 40) }, all))).toBe('a c b')
  expect(ids(applyEvent(three, { page: row('x', 25) }, all))).toBe('c x b a')
  expect(ids(applyEvent(three, { page: row('x', 5) }, all))).toBe('c b a x')
})

test('an event does not say what one may do: a known page keeps it, a new one is read again', () => {
  const { role: _, ...told } = row('a', 40)
  const known = applyEvent(three, { page: told }, all)
  expect(known.rows[0]).toEqual(row('a', 40))
  expect(known.again).toBe(false)
  expect(applyEvent(three, { page: { ...told, id: 'x' } }, all)).toMatchObject({
    rows: [{ id: 'x' }, { id: 'c' }, { id: 'b' }, { id: 'a' }],
    again: true,
  })
})

test('a page behind the last one that is loaded waits for its part', () => {
  expect(ids(applyEvent({ ...three, cursor: 'next' }, { page: row('x', 5) }, all))).toBe('c b a')
})

test('the last one that is loaded stays when something but its time changes', () => {
  const list = applyEvent({ ...three, cursor: 'next' }, { page: row('a', 10, 'renamed') }, all)
  expect(list.rows.map(each => each.title)).toEqual(['c', 'b', 'renamed'])
})

test('a page that is gone leaves the list', () => {
  expect(ids(applyEvent(three, { page: { id: 'b' }, gone: true }, all))).toBe('c a')
})

test('what a search cannot judge is read again', () => {
  const search = { query: 'comet', trash: false }
  expect(applyEvent(three, { page: row('x', 40) }, search).again).toBe(true)
  expect(applyEvent(three, { page: row('a', 40) }, search)).toMatchObject({ again: false })
  expect(applyEvent(three, { page: { id: 'a' }, gone: true }, { query: '', trash: true }).again).toBe(true)
})

test('a page that moved between two parts stands in the list once', () => {
  const next = { pages: [row('a', 10), row('z', 1)], cursor: 'more' }
  const joined = appendPage(three, next)
  expect(ids(joined)).toBe('c b a z')
  expect(joined.cursor).toBe('more')
})

test('an answer to an older question is dropped', async () => {
  const answers: ((list: PageList) => void)[] = []
  const api = { pages: () => new Promise<PageList>(resolve => answers.push(resolve)) } as unknown as Api
  const store = new ListStore(api, () => () => {})
  store.show({ query: 'first', trash: false })
  store.show({ query: 'second', trash: false })
  answers[1]!({ pages: [row('second', 2)], cursor: null })
  answers[0]!({ pages: [row('first', 1)], cursor: null })
  await Promise.resolve()
  expect(ids(store.list.value!)).toBe('second')
})

test('rows that were being loaded when the list is read again come with it', async () => {
  const asked: { limit?: number; cursor?: string }[] = []
  const api = {
    pages: async (ask: { limit?: number; cursor?: string }) => {
      asked.push(ask)
      return { pages: Array.from({ length: ask.limit! }, (_, i) => row(`p${i}`, 1)), cursor: 'next' }
    },
  } as unknown as Api
  const store = new ListStore(api, () => () => {})
  await store.refresh()
  void store.more()
  await store.refresh()
  expect(asked.map(({ limit }) => limit)).toEqual([50, 50, 100])
  expect(store.list.value!.rows.length).toBe(100)
})

/** Answers a search part by part; `seen` is what the list shows at each question. */
function searchedInParts(parts: PageList[]) {
  const asked: { limit?: number; cursor?: string }[] = []
  const seen: string[] = []
  const api = {
    pages: async (ask: { limit?: number; cursor?: string }) => {
      const list = store.list.value
      seen.push(list ? `${ids(list)}${list.searching ? ' …' : ''}` : 'nothing')
      asked.push(ask)
      return parts[asked.length - 1]!
    },
  } as unknown as Api
  const store = new ListStore(api, () => () => {})
  return { store, asked, seen }
}

test('a search that is incomplete goes on by itself, and shows what it has', async () => {
  const { store, asked, seen } = searchedInParts([
    { pages: [row('a', 10)], cursor: 'one', incomplete: true },
    { pages: [], cursor: 'two', incomplete: true },
    { pages: [row('b', 20)], cursor: null },
  ])
  store.show({ query: 'comet', trash: false })
  await expect.poll(() => store.list.value?.searching).toBe(false)
  expect(asked.map(({ cursor, limit }) => `${cursor} ${limit}`)).toEqual(['undefined 50', 'one 49', 'two 49'])
  expect(seen).toEqual(['nothing', 'a …', 'a …'])
  expect(ids(store.list.value!)).toBe('b a')
})

test('a search that fails on its way keeps what it has found, and where to go on', async () => {
  const { store } = searchedInParts([{ pages: [row('a', 10)], cursor: 'one', incomplete: true }])
  store.show({ query: 'comet', trash: false })
  await expect.poll(() => store.error.value).not.toBe(null)
  expect(store.list.value).toMatchObject({ rows: [{ id: 'a' }], cursor: 'one', searching: false })
})

test('a search that is repeated keeps its rows until it is complete', async () => {
  const { store, seen } = searchedInParts([
    { pages: [row('a', 10), row('b', 5)], cursor: null },
    { pages: [row('a', 10)], cursor: 'one', incomplete: true },
    { pages: [row('b', 5)], cursor: null },
  ])
  store.show({ query: 'comet', trash: false })
  await expect.poll(() => store.list.value?.rows.length).toBe(2)
  await store.refresh()
  expect(seen).toEqual(['nothing', 'a b', 'a b'])
})
