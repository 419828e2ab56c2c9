//! OpenTelemetry's context, passed on.

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

    opentelemetry::global::get_text_map_propagator(|propagator| propagator.inject(&mut Headers(headers)));
}

#[cfg(not(feature = "opentelemetry"))]
pub(crate) fn inject(_: &mut http::HeaderMap) {}
