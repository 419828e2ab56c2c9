import { Metadata, type ServiceError, status } from '@grpc/grpc-js'

/** An error as gRPC has them, of this side's own. */
export function failure (code: status, details: string): ServiceError {
  return Object.assign(new Error(`${code} ${status[code]}: ${details}`), { code, details, metadata: new Metadata() })
}

/** Whether a call has ended so, and not something else gone wrong. */
export function isFailure (error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as Partial<ServiceError>).code === 'number'
}
