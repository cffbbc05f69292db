import { toast } from '../controls/toast'
import { problemText } from '../problemText'
import { useServices } from '../services'
import { strings } from '../strings'

/** What can be done to a page from the list and from the page itself. */
export function usePageActions() {
  const { api, list } = useServices()

  /** Both settle true when it worked; what failed has been said. */
  const moveToTrash = (id: string, title: string): Promise<boolean> =>
    attempt(async () => {
      await api.trashPage(id)
      list.remove(id)
      const action = { label: strings.toast.undo, run: () => void putBack(id, title) }
      toast(strings.toast.trashed(title), { action })
    })

  const putBack = (id: string, title: string): Promise<boolean> =>
    attempt(async () => {
      await api.untrashPage(id)
      toast(strings.toast.untrashed(title))
      void list.refresh()
    })

  return { moveToTrash, putBack }
}

async function attempt(act: () => Promise<void>): Promise<boolean> {
  try {
    await act()
    return true
  } catch (error) {
    toast(problemText(error), { tone: 'bad' })
    return false
  }
}
