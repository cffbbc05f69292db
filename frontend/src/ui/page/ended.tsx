import { useEffect, useRef } from 'preact/hooks'
import type { Editor } from '../../binding/editor'
import type { Status } from '../../protocol/session'
import { copyText, saveFile } from '../controls/save'
import { toast } from '../controls/toast'
import { useAccount } from '../services'
import { strings } from '../strings'
import { usePageActions } from './pageActions'
import { plainText } from './plainText'

interface EndedProps {
  id: string
  title: string
  status: Extract<Status, { tag: 'ended' }>
  editor: Editor | null
  reload(): void
}

/** The line to the page is over: why, what to do, and a way to keep the words. */
export function Ended({ id, title, status, editor, reload }: EndedProps) {
  const { putBack } = usePageActions()
  const { signedOut } = useAccount()
  const [heading, sentence] = strings.ended[status.why]
  const text = () => (editor ? plainText(editor.contents()) : '')

  const card = useRef<HTMLElement>(null)

  // The card scrolls with the text; somebody further down learns of it all the same.
  useEffect(() => {
    if (card.current!.getBoundingClientRect().bottom > 0) return
    const show = () => card.current?.scrollIntoView({ block: 'center' })
    toast(heading, { tone: 'bad', action: { label: strings.ended.show, run: show } })
  }, [])

  return (
    <section class="ended" role="alert" ref={card}>
      <h2>{heading}</h2>
      <p>{sentence}</p>
      {status.unsent && editor && (
        <div class="unsent">
          <p>{strings.ended.unsent}</p>
          <div class="actions">
            <button
              type="button"
              class="button"
              onClick={() => void copyText(text(), strings.toast.textCopied)}
            >
              {strings.ended.copy}
            </button>
            <button
              type="button"
              class="button"
              onClick={() =>
                saveFile(`${title || strings.untitled}.txt`, new Blob([text()], { type: 'text/plain' }))
              }
            >
              {strings.ended.download}
            </button>
          </div>
        </div>
      )}
      <div class="actions">
        {status.why === 'trashed' && (
          <button
            type="button"
            class="button primary"
            onClick={async () => {
              if (await putBack(id, title || strings.untitled)) reload()
            }}
          >
            {strings.ended.putBack}
          </button>
        )}
        {(status.why === 'epoch-changed' || status.why === 'refused') && (
          <button type="button" class="button primary" onClick={reload}>
            {strings.ended.load}
          </button>
        )}
        {status.why === 'signed-out' && (
          <button type="button" class="button primary" onClick={signedOut}>
            {strings.ended.signIn}
          </button>
        )}
        <a href="/" class="button">
          {strings.ended.pages}
        </a>
      </div>
      {status.detail && (
        <details>
          <summary>{strings.ended.details}</summary>
          <p>{status.detail}</p>
        </details>
      )}
    </section>
  )
}
