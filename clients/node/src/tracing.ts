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

/** Puts the context that is current into the metadata, by the propagator that is set. */
export function inject (metadata: Metadata): void {
  api?.propagation.inject(api.context.active(), metadata, { set: (into, name, value) => into.set(name, value) })
}
