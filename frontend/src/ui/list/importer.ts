import { signal } from '@preact/signals'
import type { Api, Format, Note, PageRow } from '../../transport/api'
import { newKey } from '../idempotencyKey'
import { problemText } from '../problemText'
import { strings } from '../strings'

/** One file on its way to become a page. */
export interface ImportItem {
  name: string
  state:
    | { tag: 'waiting' }
    | { tag: 'reading' }
    | { tag: 'done'; page: PageRow; notes: Note[] }
    | { tag: 'failed'; why: string }
}

/** What was chosen or dropped: a file, or the name of a folder. */
export type Chosen = { file: File } | { folder: string }

const AT_ONCE = 2

/** What was dropped, with folders told apart; must be called within the event. */
export function dropped(data: DataTransfer): Chosen[] {
  return Array.from(data.items)
    .filter(item => item.kind === 'file')
    .flatMap((item): Chosen[] => {
      const entry = item.webkitGetAsEntry?.()
      if (entry?.isDirectory) return [{ folder: entry.name }]
      const file = item.getAsFile()
      return file ? [{ file }] : []
    })
}

/** The extensions that can be imported, without dots, in the server's order. */
export function importable(formats: Format[]): string[] {
  return formats.filter(format => format.import).flatMap(format => format.extensions.map(bare))
}

function bare(extension: string): string {
  return extension.replace(/^\./, '').toLowerCase()
}

/** Whether a file can be read, as far as its name says. */
export function canImport(name: string, extensions: string[]): boolean {
  return extensions.length === 0 || extensions.includes(/\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '')
}

/** Imports files, two at once, and keeps the account of each. */
export class Importer {
  readonly items = signal<ImportItem[]>([])
  readonly #api: Api

  constructor(api: Api) {
    this.#api = api
  }

  get running(): boolean {
    return this.items.value.some(({ state }) => state.tag === 'waiting' || state.tag === 'reading')
  }

  clear(): void {
    if (!this.running) this.items.value = []
  }

  /** Adds to what is being imported; settles when these are through. */
  async add(chosen: Chosen[], extensions: string[]): Promise<void> {
    const queue: { index: number; file: File }[] = []
    const items = [...this.items.value]
    for (const each of chosen) {
      if ('folder' in each) {
        items.push({ name: each.folder, state: { tag: 'failed', why: strings.import.folder } })
      } else if (!canImport(each.file.name, extensions)) {
        const why = strings.import.unknownFormat(extensions)
        items.push({ name: each.file.name, state: { tag: 'failed', why } })
      } else {
        queue.push({ index: items.length, file: each.file })
        items.push({ name: each.file.name, state: { tag: 'waiting' } })
      }
    }
    this.items.value = items
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) await this.#one(next.index, next.file)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
  }

  async #one(index: number, file: File): Promise<void> {
    this.#set(index, { tag: 'reading' })
    try {
      const { page, notes } = await this.#api.importFile(newKey(), file)
      this.#set(index, { tag: 'done', page, notes })
    } catch (error) {
      this.#set(index, { tag: 'failed', why: problemText(error) })
    }
  }

  #set(index: number, state: ImportItem['state']): void {
    this.items.value = this.items.value.map((item, at) => (at === index ? { ...item, state } : item))
  }
}
