import { expect, test } from 'vitest'
import { Problem } from '../../protocol/wire'
import type { Api } from '../../transport/api'
import { canImport, Importer, importable } from './importer'

const extensions = importable([
  { name: 'md', label: 'Markdown', extensions: ['md', '.markdown'], import: true, export: true },
  { name: 'pdf', label: 'PDF', extensions: ['pdf'], import: false, export: true },
])

test('what can be read goes by the extension', () => {
  expect(extensions).toEqual(['md', 'markdown'])
  expect(canImport('Notes.MD', extensions)).toBe(true)
  expect(canImport('notes.pdf', extensions)).toBe(false)
  expect(canImport('notes', extensions)).toBe(false)
  // Until the formats are known, the server judges.
  expect(canImport('notes.pdf', [])).toBe(true)
})

test('each file has its own account', async () => {
  const api = {
    importFile: async (_key: string, file: File) => {
      if (file.name === 'bad.md')
        throw new Problem(413, 'too-large', 'Too large', 'bad.md is larger than 64 MiB')
      return { page: { id: file.name, title: file.name }, notes: [] }
    },
  } as unknown as Api
  const importer = new Importer(api)
  const file = (name: string) => ({ file: new File(['x'], name) })
  await importer.add([file('a.md'), file('bad.md'), file('c.pdf'), { folder: 'd' }, file('e.md')], extensions)

  expect(importer.running).toBe(false)
  expect(importer.items.value.map(({ name, state }) => `${name} ${state.tag}`)).toEqual([
    'a.md done',
    'bad.md failed',
    'c.pdf failed',
    'd failed',
    'e.md done',
  ])
  expect(importer.items.value[1]!.state).toEqual({ tag: 'failed', why: 'Bad.md is larger than 64 MiB.' })
  importer.clear()
  expect(importer.items.value).toEqual([])
})
