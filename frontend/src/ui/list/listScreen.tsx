import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { Avatar } from '../controls/avatar'
import { Icon } from '../controls/icons'
import { Wordmark } from '../controls/logo'
import { MenuButton } from '../controls/menu'
import { toast } from '../controls/toast'
import { newKey } from '../idempotencyKey'
import { problemText } from '../problemText'
import { listHref, pageHref } from '../route'
import { navigate } from '../router'
import { useAccount, useServices } from '../services'
import { strings } from '../strings'
import { useFormats } from './formats'
import { ImportDialog } from './importDialog'
import { type Chosen, dropped, Importer, importable } from './importer'
import type { ListView } from './listStore'
import { Row, TrashRow } from './row'

const SEARCH_AFTER_MS = 200

/** The list of pages, a search in it, or the trash. */
export function ListScreen({ query, trash }: ListView) {
  const { api, list } = useServices()
  const formats = useFormats()
  const importer = useMemo(() => new Importer(api), [api])
  const importing = useSignal(false)

  useEffect(() => list.follow(), [list])
  useEffect(() => list.show({ query, trash }), [list, query, trash])
  useEffect(() => {
    document.title = strings.documentTitle(trash ? strings.list.trashTitle : strings.list.title)
  }, [trash])

  const bringIn = (chosen: Chosen[]) => {
    if (chosen.length === 0) return
    importing.value = true
    void importer.add(chosen, importable(formats))
  }
  const chooseFiles = () => {
    const input = Object.assign(document.createElement('input'), {
      type: 'file',
      multiple: true,
      accept: importable(formats)
        .map(extension => `.${extension}`)
        .join(','),
    })
    input.addEventListener('change', () => bringIn(Array.from(input.files ?? [], file => ({ file }))))
    input.click()
  }

  return (
    <div class="list-screen">
      <ListHeader />
      <main>
        <div class="list-bar">
          <h1>{trash ? strings.list.trashTitle : strings.list.title}</h1>
          {trash ? (
            <a class="button quiet" href="/">
              <Icon name="back" />
              {strings.list.backToPages}
            </a>
          ) : (
            <div class="list-actions">
              <button
                type="button"
                class="button quiet import-button"
                aria-label={strings.list.importFiles}
                onClick={chooseFiles}
              >
                <Icon name="upload" />
                <span>{strings.list.importFiles}</span>
              </button>
              <NewPage />
            </div>
          )}
        </div>
        <Search key={String(trash)} query={query} trash={trash} />
        <Rows query={query} trash={trash} />
        {!trash && (
          <footer>
            <a class="button quiet" href={listHref({ trash: true })}>
              <Icon name="trash" />
              {strings.list.trash}
            </a>
            <a class="licences" href="/licences">
              {strings.licences}
            </a>
          </footer>
        )}
      </main>
      <DropTarget take={bringIn} />
      {importing.value && (
        <ImportDialog
          importer={importer}
          close={() => {
            importing.value = false
            importer.clear()
          }}
        />
      )}
    </div>
  )
}

function ListHeader() {
  const { departures, list } = useServices()
  const { identity, signOut } = useAccount()
  const onTheWay = departures.waiting.value[0]
  return (
    <header class="list-header">
      <a href="/" class="home">
        <Wordmark />
      </a>
      {list.error.value !== null && !!list.list.value?.rows.length && (
        <span class="status care" role="status" data-tip={problemText(list.error.value)}>
          <span class="dot" />
          {strings.list.stale}
        </span>
      )}
      {onTheWay && (
        <a href={pageHref(onTheWay.id)} class="status care">
          <span class="dot" />
          {strings.list.waiting(onTheWay.edits, onTheWay.title || strings.untitled)}
        </a>
      )}
      <MenuButton
        label={strings.account.menu(identity.name)}
        align="end"
        class="avatar-button"
        entries={() => [
          { heading: strings.account.menu(identity.name) },
          { label: strings.account.signOut, icon: 'leave', run: signOut },
        ]}
      >
        <Avatar name={identity.name} color={identity.color} />
      </MenuButton>
    </header>
  )
}

function NewPage() {
  const { api } = useServices()
  const busy = useSignal(false)
  // Kept until it worked, so that a second try never makes a second page.
  const key = useRef(newKey())
  const create = async () => {
    if (busy.value) return
    busy.value = true
    try {
      const page = await api.createPage(key.current)
      key.current = newKey()
      navigate(pageHref(page.id), { fresh: true })
    } catch (error) {
      toast(problemText(error), { tone: 'bad' })
    } finally {
      busy.value = false
    }
  }
  return (
    <button type="button" class="button primary" onClick={create} aria-disabled={busy.value}>
      <Icon name="plus" />
      {strings.list.newPage}
    </button>
  )
}

function Search({ query, trash }: ListView) {
  const ref = useRef<HTMLInputElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  const search = (text: string) => navigate(listHref({ query: text.trim(), trash }), { replace: true })
  useEffect(() => {
    // The field leads while it is typed in; the address leads otherwise.
    if (ref.current && document.activeElement !== ref.current) ref.current.value = query
  }, [query])
  useEffect(() => {
    const onSlash = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement
      if (event.key !== '/' || event.ctrlKey || event.metaKey || target.closest('input, textarea, dialog'))
        return
      event.preventDefault()
      ref.current?.focus()
    }
    addEventListener('keydown', onSlash)
    return () => {
      clearTimeout(timer.current)
      removeEventListener('keydown', onSlash)
    }
  }, [])

  return (
    <search class="search">
      <Icon name="search" />
      <input
        ref={ref}
        type="search"
        class="field"
        defaultValue={query}
        placeholder={strings.list.search}
        aria-label={strings.list.search}
        enterKeyHint="search"
        onInput={event => {
          const text = event.currentTarget.value
          clearTimeout(timer.current)
          timer.current = setTimeout(() => search(text), SEARCH_AFTER_MS)
        }}
        onKeyDown={event => {
          if (event.key === 'Escape') {
            event.currentTarget.value = ''
            search('')
          }
        }}
      />
      <kbd>/</kbd>
    </search>
  )
}

function Rows({ query, trash }: ListView) {
  const { list } = useServices()
  const formats = useFormats()
  const loaded = list.list.value
  const error = list.error.value

  if (error && !loaded?.rows.length)
    return (
      <div class="empty" role="alert">
        <p>{problemText(error)}</p>
        <button type="button" class="button" onClick={() => void list.refresh()}>
          {strings.retry}
        </button>
      </div>
    )
  if (!loaded) return <div class="rows loading" aria-hidden="true" />
  if (loaded.rows.length === 0 && loaded.searching) return <Searching />
  if (loaded.rows.length === 0 && !loaded.cursor) return <Empty query={query} trash={trash} />
  return (
    <>
      <ul class="rows" aria-label={trash ? strings.list.trashTitle : strings.list.title}>
        {loaded.rows.map(row =>
          trash ? <TrashRow key={row.id} row={row} /> : <Row key={row.id} row={row} formats={formats} />,
        )}
      </ul>
      {loaded.searching ? <Searching /> : loaded.cursor && <More />}
    </>
  )
}

/** Says that the server has not searched all pages yet. */
function Searching() {
  return (
    <p class="searching" role="status">
      {strings.list.searching}
    </p>
  )
}

function Empty({ query, trash }: ListView) {
  const [title, hint] = query
    ? [strings.list.nothingFound(query), '']
    : trash
      ? [strings.list.trashEmpty, strings.list.trashEmptyHint]
      : [strings.list.empty, strings.list.emptyHint]
  return (
    <div class="empty">
      <h2>{title}</h2>
      {hint && <p>{hint}</p>}
    </div>
  )
}

/** Reads on when the end of the list comes into sight; also a button. */
function More() {
  const { list } = useServices()
  const ref = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting) void list.more()
      },
      { rootMargin: '600px' },
    )
    observer.observe(ref.current!)
    return () => observer.disconnect()
    // Anew for each part: an end that stays in sight says nothing a second time.
  }, [list.list.value?.cursor])
  return (
    <button ref={ref} type="button" class="button quiet more" onClick={() => void list.more()}>
      {list.loadingMore.value ? strings.list.loadingMore : strings.list.more}
    </button>
  )
}

/** The whole window takes files that are dropped on it. */
function DropTarget({ take }: { take(chosen: Chosen[]): void }) {
  const over = useSignal(false)
  const latest = useRef(take)
  latest.current = take
  useEffect(() => {
    const stop = new AbortController()
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false
    // Entering a child leaves its parent, so what counts is the depth.
    let depth = 0
    const on = (type: 'dragenter' | 'dragleave' | 'dragover' | 'drop', act: (event: DragEvent) => void) =>
      addEventListener(
        type,
        event => {
          if (!hasFiles(event)) return
          event.preventDefault()
          act(event)
          over.value = depth > 0
        },
        { signal: stop.signal },
      )
    on('dragenter', () => depth++)
    on('dragleave', () => depth--)
    on('dragover', event => {
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy'
    })
    on('drop', event => {
      depth = 0
      if (event.dataTransfer) latest.current(dropped(event.dataTransfer))
    })
    return () => stop.abort()
  }, [])
  return over.value ? (
    <div class="drop-target" aria-hidden="true">
      <p>
        <Icon name="upload" />
        {strings.list.drop}
      </p>
    </div>
  ) : null
}
