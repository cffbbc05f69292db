import { useSignal } from '@preact/signals'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Editor } from '../../binding/editor'
import type { PageSession } from '../../protocol/session'
import { Icon } from '../controls/icons'
import { MenuButton, type MenuEntry } from '../controls/menu'
import { copyText } from '../controls/save'
import { toast } from '../controls/toast'
import { isShortcut } from '../keys'
import { useFormats } from '../list/formats'
import { problemText } from '../problemText'
import { pageHref } from '../route'
import { isFresh, navigate } from '../router'
import { useServices } from '../services'
import { strings } from '../strings'
import { useWatch } from '../watch'
import { Ended } from './ended'
import { exportEntries, type LostNotes, LostNotesDialog } from './export'
import { LinkPopover } from './linkPopover'
import { usePageActions } from './pageActions'
import { People } from './people'
import { ShortcutsDialog } from './shortcuts'
import { StatusChip } from './statusChip'
import { Title } from './title'
import { Toolbar } from './toolbar'

/** How far down the title ends, in CSS pixels. */
const TITLE_HEIGHT = 90

/** A page that is open: its header, its toolbar, its text. */
export function OpenPage({ session, reload }: { session: PageSession; reload(): void }) {
  useWatch(session)
  const scrolled = useScrolled()
  const { title, role } = session.info
  const { status } = session
  const mayEdit = (role === 'edit' || role === 'own') && status.tag !== 'ended'

  useEffect(
    () =>
      session.onTakenBack(problem => toast(strings.page.takenBack(problemText(problem)), { tone: 'bad' })),
    [session],
  )

  const place = useRef<HTMLDivElement>(null)
  const linking = useSignal(false)
  const shortcuts = useSignal(false)
  const editor = useEditor(session, place, () => askForLink())
  const askForLink = () => {
    if (!editor.current) return
    const { selectionEmpty, link, editable } = editor.current.formats()
    if (!editable) return
    if (selectionEmpty && link === null) toast(strings.link.selectFirst)
    else linking.value = true
  }

  useEffect(() => {
    document.title = strings.documentTitle(title || strings.untitled)
  }, [title])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isShortcut(event, 'Mod-/')) {
        event.preventDefault()
        shortcuts.value = !shortcuts.value
      } else if (isShortcut(event, 'Mod-s')) {
        event.preventDefault()
        toast(strings.shortcuts.save)
      } else if (isShortcut(event, 'Alt-F10')) {
        event.preventDefault()
        document.querySelector<HTMLElement>('[role=toolbar] [tabindex="0"]')?.focus()
      }
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])

  return (
    <div class="page-screen" data-reading={!mayEdit} data-scrolled={scrolled}>
      <PageHeader session={session} mayEdit={mayEdit} showShortcuts={() => (shortcuts.value = true)} />
      <main>
        {mayEdit && <Toolbar editor={editor.current} askForLink={askForLink} />}
        <div class="paper">
          {status.tag === 'ended' && (
            <Ended id={session.id} title={title} status={status} editor={editor.current} reload={reload} />
          )}
          {!mayEdit && status.tag !== 'ended' && <p class="read-only">{strings.page.readOnly}</p>}
          <Title
            title={title}
            readOnly={!mayEdit}
            focusFirst={isFresh()}
            save={next => session.setTitle(next)}
            leave={() => editor.current?.focus()}
          />
          <div ref={place} class="surface" />
          {/* A press on the empty space below the text goes to its end. */}
          {/* biome-ignore lint/a11y/noStaticElementInteractions: the text itself is there for the keyboard */}
          <div
            class="below"
            onMouseDown={event => {
              event.preventDefault()
              editor.current?.focus()
            }}
          />
        </div>
      </main>
      {linking.value && editor.current && (
        <LinkPopover editor={editor.current} close={() => (linking.value = false)} />
      )}
      {shortcuts.value && <ShortcutsDialog close={() => (shortcuts.value = false)} />}
    </div>
  )
}

/** Whether the title has left the window, about. */
function useScrolled(): boolean {
  const [scrolled, setScrolled] = useState(false)
  useEffect(() => {
    const look = () => setScrolled(scrollY > TITLE_HEIGHT)
    look()
    addEventListener('scroll', look, { passive: true })
    return () => removeEventListener('scroll', look)
  }, [])
  return scrolled
}

/** Loads the editing surface and puts it in its place. */
function useEditor(
  session: PageSession,
  place: { current: HTMLDivElement | null },
  onLinkRequest: () => void,
): { current: Editor | null } {
  const { loadEditor } = useServices()
  const [editor, setEditor] = useState<Editor | null>(null)
  const request = useRef(onLinkRequest)
  request.current = onLinkRequest

  useEffect(() => {
    let mounted: Editor | null = null
    let left = false
    loadEditor().then(
      mountEditor => {
        if (left || !place.current) return
        mounted = mountEditor(place.current, session, {
          onLinkRequest: () => request.current(),
          onTooLarge: () => toast(strings.page.tooMuch, { tone: 'bad' }),
          placeholder: strings.page.placeholder,
          label: strings.page.text,
          help: strings.page.textHelp,
          onFiles: () => toast(strings.page.noFiles),
        })
        setEditor(mounted)
      },
      error =>
        toast(problemText(error), {
          tone: 'bad',
          action: { label: strings.retry, run: () => location.reload() },
        }),
    )
    return () => {
      left = true
      mounted?.destroy()
    }
  }, [session])
  return { current: editor }
}

function PageHeader(props: { session: PageSession; mayEdit: boolean; showShortcuts(): void }) {
  const { session, mayEdit, showShortcuts } = props
  const { api } = useServices()
  const { moveToTrash } = usePageActions()
  const formats = useFormats()
  const lost = useSignal<LostNotes | null>(null)
  const title = session.info.title || strings.untitled

  const entries = (): MenuEntry[] => [
    {
      label: strings.page.copyLink,
      icon: 'link',
      run: () => void copyText(new URL(pageHref(session.id), location.href).href, strings.toast.copied),
    },
    { label: strings.page.shortcuts, icon: 'keyboard', keys: 'Mod-/', run: showShortcuts },
    ...exportEntries(api, session.id, formats, notes => {
      lost.value = notes
    }),
    ...(mayEdit
      ? [
          'line' as const,
          {
            label: strings.page.moveToTrash,
            icon: 'trash' as const,
            danger: true,
            run: async () => {
              if (await moveToTrash(session.id, title)) navigate('/')
            },
          },
        ]
      : []),
  ]

  return (
    <header class="page-header">
      <a href="/" class="icon-button" aria-label={strings.page.back} data-tip={strings.page.back}>
        <Icon name="back" />
      </a>
      <span class="header-title" aria-hidden="true">
        {title}
      </span>
      <StatusChip status={session.status} />
      {session.status.tag !== 'ended' && <People people={session.people} count={session.count} />}
      <MenuButton label={strings.page.menu} align="end" entries={entries}>
        <Icon name="more" />
      </MenuButton>
      {lost.value && (
        <LostNotesDialog
          {...lost.value}
          close={() => {
            lost.value = null
          }}
        />
      )}
    </header>
  )
}
