import type { ChannelCredentials } from '@grpc/grpc-js'

/** How long the service may take for its first words. Somebody else may have taken the connection, or one that hangs. */
export const OPENING_WITHIN = 5_000

/**
 * grpc-js waits for these words for ever, and with it the channel (grpc/grpc-node#2785). The part of the credentials that
 * does the TLS of a connection is the one that sees its socket: with these it closes that of a peer that says nothing, after
 * which grpc-js tries again.
 */
export function impatient (credentials: ChannelCredentials): ChannelCredentials {
  // Not of its documented interface: one that has it no more is left as it is.
  const createConnector: typeof credentials._createSecureConnector | undefined = credentials._createSecureConnector
  if (createConnector === undefined) return credentials
  credentials._createSecureConnector = function (...args) {
    const connector = createConnector.apply(this, args)
    const { connect } = connector
    connector.connect = async socket => {
      let heard = (): boolean => false
      setTimeout(() => {
        if (!heard()) socket.destroy(new Error(`the service said nothing for ${OPENING_WITHIN} ms`))
      }, OPENING_WITHIN).unref()
      const connected = await connect.call(connector, socket)
      heard = () => connected.socket.bytesRead > 0
      return connected
    }
    return connector
  }
  return credentials
}
