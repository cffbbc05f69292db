import { expect, test } from 'vitest'
import type { Problem } from '../protocol/wire'
import { Api, fileNameOf, notesOf } from './api'

interface Sent {
  path: string
  method: string
  headers: Headers
  body: unknown
}

/** An Api whose server answers always the same, and what it was sent. */
function answering(answer: () => Response): [Api, Sent[]] {
  const sent: Sent[] = []
  const api = new Api(async (input, init) => {
    sent.push({
      path: String(input),
      method: init?.method ?? 'GET',
      headers: new Headers(init?.headers),
      body: init?.body,
    })
    return answer()
  })
  return [api, sent]
}

const json = (body: unknown, init?: ResponseInit) => () => new Response(JSON.stringify(body), init)

test('nobody signed in is no error', async () => {
  const [api] = answering(json({ type: '/problems/signed-out' }, { status: 401 }))
  expect(await api.session()).toBeNull()
})

test('a refusal keeps the words of the server', async () => {
  const body = {
    type: '/problems/page-full',
    title: 'Full',
    status: 422,
    detail: 'The page is full.',
    limit: 10,
  }
  const [api] = answering(json(body, { status: 422, headers: { 'Retry-After': '3' } }))
  const problem: Problem = await api.renamePage('p', 'x').catch(error => error)
  expect(problem).toMatchObject({
    status: 422,
    type: 'page-full',
    title: 'Full',
    detail: 'The page is full.',
    extra: { limit: 10, retryAfter: 3 },
  })
})

test('a refusal without a proper body is still one', async () => {
  const [api] = answering(
    () => new Response('<h1>Bad gateway</h1>', { status: 502, statusText: 'Bad Gateway' }),
  )
  await expect(api.pages()).rejects.toMatchObject({ status: 502, type: 'internal', title: 'Bad Gateway' })
})

test('no answer, or half of one, is "unreachable"', async () => {
  const [cut] = answering(() => new Response('{"pages":['))
  await expect(cut.pages()).rejects.toMatchObject({ status: 0, type: 'unreachable' })
  const none = new Api(async () => {
    throw new TypeError('failed to fetch')
  })
  await expect(none.pages()).rejects.toMatchObject({ status: 0, type: 'unreachable' })
})

test('calls go where the API has them', async () => {
  const [api, sent] = answering(json({ id: 'p', notes: null }))
  await api.signIn('Caroline')
  await api.pages({ query: 'a b', trash: true, cursor: 'c', limit: 5 })
  await api.createPage('key', 'Title')
  await api.renamePage('p', 'New')
  await api.trashPage('p')
  await api.untrashPage('p')
  const imported = await api.importFile('key', new File(['# A'], 'a.md'))

  expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'POST /api/session',
    'GET /api/pages?q=a+b&trash=1&cursor=c&limit=5',
    'POST /api/pages',
    'PATCH /api/pages/p',
    'DELETE /api/pages/p',
    'POST /api/pages/p/untrash',
    'POST /api/import',
  ])
  expect(sent[0]!.headers.get('Content-Type')).toBe('application/json')
  expect(sent[2]!.headers.get('Idempotency-Key')).toBe('key')
  // The browser adds the boundary of a form by itself.
  expect(sent[6]!.headers.get('Content-Type')).toBeNull()
  expect((sent[6]!.body as FormData).get('file')).toMatchObject({ name: 'a.md' })
  expect(imported).toEqual({ page: { id: 'p' }, notes: [] })
})

test('an exported file brings its name and what it lost', async () => {
  const notes = [{ what: 'table', count: 2, where: 3, note: 'Tables become lines.' }]
  const [api, sent] = answering(
    () =>
      new Response('text', {
        headers: {
          'Content-Disposition': `attachment; filename="comet.txt"; filename*=UTF-8''com%C3%A8te.txt`,
          'Halley-Notes': encodeURIComponent(JSON.stringify(notes)),
        },
      }),
  )
  const file = await api.exportPage('p', 'txt')
  expect(sent[0]!.path).toBe('/api/pages/p/content?format=txt&download=1')
  expect(file).toMatchObject({ name: 'comète.txt', notes })
  expect(await file.blob.text()).toBe('text')
})

test.each([
  [null, null],
  ['attachment', null],
  ['attachment; filename=a.md', 'a.md'],
  ['attachment; filename="a \\"b\\".md"', 'a "b".md'],
  ["attachment; filename*=UTF-8''%ff", null],
])('the file name in %s is %s', (header, name) => {
  expect(fileNameOf(header)).toBe(name)
})

test('notes that cannot be read are none', () => {
  expect(notesOf(null)).toEqual([])
  expect(notesOf('%7Bbroken')).toEqual([])
  expect(notesOf('%ff')).toEqual([])
  expect(notesOf(encodeURIComponent('{"a":1}'))).toEqual([])
})
