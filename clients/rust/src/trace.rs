//! OpenTelemetry's context, passed on.

/// As much goes along: baggage may come from the browser, and is not to have the call refused.
#[cfg(feature = "opentelemetry")]
const MOST_BYTES: usize = 8 * 1024;

/// Writes the context that is current into a call's headers, as the propagator that is set has it.
#[cfg(feature = "opentelemetry")]
pub(crate) fn inject(headers: &mut http::HeaderMap) {
    struct Headers<'a>(&'a mut http::HeaderMap);

    impl opentelemetry::propagation::Injector for Headers<'_> {
        fn set(&mut self, name: &str, value: String) {
            if let (Ok(name), Ok(value)) =
                (http::HeaderName::try_from(name), http::HeaderValue::try_from(value))
            {
                self.0.insert(name, value);
            }
        }
    }

    let mut carried = http::HeaderMap::new();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject(&mut Headers(&mut carried));
    });
    let size: usize = carried.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size <= MOST_BYTES {
        headers.extend(carried);
    }
}

#[cfg(not(feature = "opentelemetry"))]
pub(crate) fn inject(_: &mut http::HeaderMap) {}

/// Runs within the context that was put among a request's extensions. Sockets of Socket.IO are opened by tasks in which that
/// of their request is not current any more.
#[cfg(all(feature = "opentelemetry", feature = "socketioxide"))]
pub(crate) async fn within<T>(request: &http::request::Parts, future: impl Future<Output = T>) -> T {
    use opentelemetry::context::{Context, FutureExt as _};

    match request.extensions.get::<Context>() {
        Some(context) => future.with_context(context.clone()).await,
        None => future.await,
    }
}

#[cfg(all(not(feature = "opentelemetry"), feature = "socketioxide"))]
pub(crate) async fn within<T>(_: &http::request::Parts, future: impl Future<Output = T>) -> T {
    future.await
}
