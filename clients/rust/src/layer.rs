//! A tower layer that asks about each request before the service behind it sees it.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response, request::Parts};
use tower_layer::Layer;
use tower_service::Service;

use crate::{client::SocketPass, decision::Rejection, handshake::Handshake};

/// Lets through whom socketpass lets in. The request's extensions have the [`Admission`](crate::Admission) then, and the
/// [`User`](crate::User). Put it on the routes that are upgraded: each of their requests is asked about.
#[derive(Clone)]
pub struct AuthorizeLayer {
    pass: SocketPass,
    #[cfg(feature = "axum")]
    after_upgrade: bool,
}

impl SocketPass {
    /// A tower layer that lets through whom socketpass lets in.
    pub fn layer(&self) -> AuthorizeLayer {
        AuthorizeLayer {
            pass: self.clone(),
            #[cfg(feature = "axum")]
            after_upgrade: false,
        }
    }
}

impl AuthorizeLayer {
    /// Upgrades those who are rejected, too, and closes the WebSocket right after it with the decision's code: browsers
    /// see no HTTP status.
    #[cfg(feature = "axum")]
    #[must_use]
    pub fn reject_after_upgrade(self) -> Self {
        Self { after_upgrade: true, ..self }
    }
}

impl<S> Layer<S> for AuthorizeLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        Authorize { inner, layer: self.clone() }
    }
}

/// The service that [`AuthorizeLayer`] makes.
#[derive(Clone)]
pub struct Authorize<S> {
    inner: S,
    layer: AuthorizeLayer,
}

impl<S, Sent, Answer> Service<Request<Sent>> for Authorize<S>
where
    S: Service<Request<Sent>, Response = Response<Answer>> + Clone + Send + 'static,
    S::Future: Send,
    Sent: Send + 'static,
    Answer: From<String>,
{
    type Response = Response<Answer>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Sent>) -> Self::Future {
        // The clone has not been asked whether it is ready; the one that has is taken along.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match layer.pass.authorize(Handshake::from_request(&parts)).await {
                Ok(admission) => {
                    parts.extensions.insert(admission.user().clone());
                    parts.extensions.insert(admission);
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(rejection) => Ok(layer.refuse(parts, &rejection).await),
            }
        })
    }
}

impl AuthorizeLayer {
    #[cfg(feature = "axum")]
    async fn refuse<Answer: From<String>>(&self, request: Parts, rejection: &Rejection) -> Response<Answer> {
        if self.after_upgrade
            && let Some(upgraded) = crate::axum::upgrade_to_close(request, &rejection.close, &self.pass).await
        {
            return upgraded.map(|_| Answer::from(String::new()));
        }
        rejection.to_response()
    }

    #[cfg(not(feature = "axum"))]
    async fn refuse<Answer: From<String>>(&self, _: Parts, rejection: &Rejection) -> Response<Answer> {
        rejection.to_response()
    }
}
