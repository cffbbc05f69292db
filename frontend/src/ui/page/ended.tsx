import type { Editor } from '../../binding/editor'
import type { Status } from '../../protocol/session'
import { copyText, saveFile } from '../controls/save'
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

  return (
    <section class="ended" role="alert">
      <h2>{heading}</h2>
      <p>{status.detail || sentence}</p>
      {status.detail && status.why === 'refused' && <p>{sentence}</p>}
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
    </section>
  )
}
