import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Format } from '../../transport/api'
import { useServices } from '../services'

const formats = signal<Format[]>([])
let asked = false

/** The formats that the server reads and writes; empty until it has told. */
export function useFormats(): Format[] {
  const { api } = useServices()
  useEffect(() => {
    if (asked) return
    asked = true
    api.formats().then(
      list => {
        formats.value = list
      },
      () => {
        asked = false
      },
    )
  }, [])
  return formats.value
}
