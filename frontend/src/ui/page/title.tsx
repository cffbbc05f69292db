import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { type Delta, opLength, transformPosition } from '../../protocol/delta'
import { TitleDraft, type TitleSave } from '../../protocol/title'
import { Problem } from '../../protocol/wire'
import { toast } from '../controls/toast'
import { newKey } from '../idempotencyKey'
import { isShortcut } from '../keys'
import { problemText } from '../problemText'
import { strings } from '../strings'

const SAVE_AFTER_MS = 600
const RETRY_MS = 5000

interface TitleProps {
  /** As the server knows it. */
  title: string
  readOnly: boolean
  /** Begin here rather than in the text. */
  focusFirst: boolean
  /** Sends a save; answers the title that the server made of it. */
  save(save: TitleSave): Promise<string>
  /** On into the text. */
  leave(): void
}

/** The page's title, edited where it stands, by several people at once. */
export function Title({ title, readOnly, focusFirst, save, leave }: TitleProps) {
  const ref = useRef<HTMLTextAreaElement>(null)
  const draft = useRef<TitleDraft>(null)
  draft.current ??= new TitleDraft(title)
  const newest = useRef(title)
  newest.current = title
  /** Whether the last try failed, which is said once. */
  const failed = useRef(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  /** Shows what a change made of the title; the caret stays at its words. */
  const show = (delta: Delta) => {
    const field = ref.current
    if (!field || delta.length === 0) return
    const { selectionStart, selectionEnd } = field
    field.value = draft.current!.text
    field.setSelectionRange(
      transformPosition(delta, selectionStart, true),
      transformPosition(delta, selectionEnd, true),
    )
    grow(field)
  }

  const later = (ms: number) => {
    clearTimeout(timer.current)
    timer.current = setTimeout(store, ms)
  }
  const store = () => {
    clearTimeout(timer.current)
    if (draft.current!.saving) return // what is typed now goes with the next one
    send()
  }
  /** Sends what is unsaved, or again what was not answered. */
  const send = () => {
    const next = draft.current!.save(newKey)
    if (!next) return
    save(next).then(
      merged => {
        failed.current = false
        show(draft.current!.answered(merged))
        show(draft.current!.receive(newest.current))
        send()
      },
      error => {
        if (!failed.current) toast(strings.page.titleFailed(problemText(error)), { tone: 'bad' })
        failed.current = true
        if (!isPassing(error)) {
          // The words stay in the field, and are not saved.
          draft.current!.refused()
          show(draft.current!.receive(newest.current))
        } else if (ref.current) {
          clearTimeout(timer.current)
          timer.current = setTimeout(send, RETRY_MS)
        }
      },
    )
  }
  const goBack = (event: Event, way: 'undo' | 'redo') => {
    event.preventDefault()
    const delta = draft.current![way]()
    if (!delta) return
    const field = ref.current!
    field.value = draft.current!.text
    const end = endOf(delta)
    field.setSelectionRange(end, end)
    grow(field)
    later(SAVE_AFTER_MS)
  }

  useEffect(() => show(draft.current!.receive(title)), [title])
  useLayoutEffect(() => {
    const field = ref.current!
    field.value = title
    grow(field)
    if (focusFirst && !readOnly) field.focus()
    const regrow = () => grow(field)
    addEventListener('resize', regrow)
    return () => {
      removeEventListener('resize', regrow)
      store()
    }
  }, [])

  return (
    <h1 class="title">
      <textarea
        ref={ref}
        rows={1}
        readOnly={readOnly}
        placeholder={strings.untitled}
        aria-label={strings.page.title}
        spellcheck
        onBeforeInput={event => {
          // What others write is not in the browser's own history, which would take it back too.
          if (event.inputType === 'historyUndo') goBack(event, 'undo')
          else if (event.inputType === 'historyRedo') goBack(event, 'redo')
        }}
        onInput={event => {
          const field = event.currentTarget
          if (/[\r\n]/.test(field.value)) field.value = field.value.replace(/[\r\n]+/g, ' ')
          draft.current!.type(field.value, performance.now())
          grow(field)
          later(SAVE_AFTER_MS)
        }}
        onBlur={store}
        onKeyDown={event => {
          if (event.isComposing) return
          const field = event.currentTarget
          const atEnd = field.selectionEnd === field.value.length
          if (isShortcut(event, 'Mod-z')) goBack(event, 'undo')
          else if (isShortcut(event, 'Mod-Shift-z') || isShortcut(event, 'Mod-y')) goBack(event, 'redo')
          else if (event.key === 'Enter' || (event.key === 'ArrowDown' && atEnd)) {
            event.preventDefault()
            leave()
          }
        }}
      />
    </h1>
  )
}

/** Where the last thing that a change does ends, in the text after it. */
function endOf(delta: Delta): number {
  return delta.reduce((at, op) => ('delete' in op ? at : at + opLength(op)), 0)
}

/** Whether the same may work later: no answer came, or a busy or full server's. */
function isPassing(error: unknown): boolean {
  return error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500)
}

/** Makes the field as high as its text. */
function grow(field: HTMLTextAreaElement): void {
  field.style.height = 'auto'
  field.style.height = `${field.scrollHeight}px`
}
