import type { Metadata } from '@grpc/grpc-js'
import type * as OpenTelemetry from '@opentelemetry/api'

// An application without OpenTelemetry does not have the package.
const api = ((): typeof OpenTelemetry | undefined => {
  try {
    return require('@opentelemetry/api')
  } catch {
    return undefined
  }
})()

/** Whether there may be a context to pass on at all. */
export const traces = api !== undefined

// Parts of it, the baggage, may come from a browser as they are.
const NAME = /^[0-9a-z_.-]+(?<!-bin)$/
const VALUE = /^[ -~]*$/
const LARGEST = 8 * 1024

/** Puts the context that is current into the metadata, by the propagator that is set: what can be said as metadata. */
export function inject (metadata: Metadata): void {
  if (api === undefined) return
  const said = new Map<string, string>()
  api.propagation.inject(api.context.active(), said, {
    set (into, name, value) {
      if (NAME.test(name) && VALUE.test(value)) into.set(name, value)
    }
  })
  let size = 0
  for (const [name, value] of said) size += name.length + value.length
  if (size > LARGEST) return
  for (const [name, value] of said) metadata.set(name, value)
}
