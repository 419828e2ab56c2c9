//! `AuthorizationService`.

use std::{sync::Arc, time::Instant};

use tonic::{Request, Response, Status};

use super::{
    calls::RequestId,
    convert,
    pb::{
        self, AuthorizeRequest, AuthorizeResponse, ExplainRequest, ExplainResponse,
        authorization_service_server::AuthorizationService,
    },
};
use crate::{
    authorize::{
        Authorizer, Decision, Handshake,
        explain::{Silent, Steps},
    },
    telemetry::metrics::Metrics,
};

/// The service.
#[derive(Debug)]
pub struct Authorization {
    authorizer: Arc<Authorizer>,
    metrics: Arc<Metrics>,
    max_headers: usize,
}

impl Authorization {
    /// Answers with this authorizer's decisions; a handshake may have so many headers.
    pub fn new(authorizer: Arc<Authorizer>, metrics: Arc<Metrics>, max_headers: usize) -> Self {
        Self { authorizer, metrics, max_headers }
    }

    fn handshake(&self, handshake: Option<pb::Handshake>, gateway_id: &str) -> Result<Handshake, Status> {
        let headers = handshake.as_ref().map_or(0, |handshake| handshake.headers.len());
        if headers > self.max_headers {
            let problem = format!("there are {headers}, and limits.max_headers is {}", self.max_headers);
            return Err(convert::invalid("handshake.headers", problem));
        }
        convert::handshake(handshake, gateway_id)
    }
}

#[tonic::async_trait]
impl AuthorizationService for Authorization {
    async fn authorize(
        &self,
        request: Request<AuthorizeRequest>,
    ) -> Result<Response<AuthorizeResponse>, Status> {
        let started = Instant::now();
        let request_id = request.extensions().get::<RequestId>().cloned();
        let AuthorizeRequest { handshake, gateway_id } = request.into_inner();
        let handshake = self.handshake(handshake, &gateway_id)?;
        let decision = self.authorizer.decide(&handshake, &mut Silent).await;
        self.metrics.decided(&decision, started.elapsed());
        log(&decision, request_id.as_ref(), &gateway_id);
        Ok(Response::new(convert::decision(decision)))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let request_id = request.extensions().get::<RequestId>().cloned();
        let ExplainRequest { handshake, gateway_id } = request.into_inner();
        let handshake = self.handshake(handshake, &gateway_id)?;
        let mut steps = Steps::default();
        let decision = self.authorizer.decide(&handshake, &mut steps).await;
        tracing::info!(
            request_id = request_id.as_ref().map(RequestId::as_str),
            gateway_id,
            reason = decision.reason.name(),
            "explained a handshake"
        );
        Ok(Response::new(convert::explained(decision, steps.0)))
    }
}

/// One line for each decision: refusals where operators look, and who was let in where they look when they want to know.
fn log(decision: &Decision, request_id: Option<&RequestId>, gateway_id: &str) {
    let request_id = request_id.map(RequestId::as_str);
    let reason = decision.reason.name();
    let session_id = decision.session_id.as_ref().map(tracing::field::debug);
    if decision.accepted {
        tracing::debug!(request_id, gateway_id, reason, session_id, "accepted a handshake");
    } else {
        tracing::info!(request_id, gateway_id, reason, session_id, "refused a handshake");
    }
}
