import { Metadata, type ServiceError, status } from '@grpc/grpc-js'

/** An error as gRPC has them, of this side's own. */
export function failure (code: status, details: string): ServiceError {
  return Object.assign(new Error(`${code} ${status[code]}: ${details}`), { code, details, metadata: new Metadata() })
}
