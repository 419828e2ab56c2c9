//! What nothing but the transport and the read costs: the same messages, one GET, and a constant answer.

use prost_types::{Struct, Value, value::Kind};
use redis::{AsyncCommands as _, aio::MultiplexedConnection};
use socketpass::grpc::pb::{
    AuthorizeRequest, AuthorizeResponse, ExplainRequest, ExplainResponse, Reason,
    authorization_service_server::{AuthorizationService, AuthorizationServiceServer},
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

use crate::SESSION_ID;

struct Bare {
    redis: MultiplexedConnection,
    answer: AuthorizeResponse,
}

#[tonic::async_trait]
impl AuthorizationService for Bare {
    async fn authorize(&self, _: Request<AuthorizeRequest>) -> Result<Response<AuthorizeResponse>, Status> {
        let session: Vec<u8> = self.redis.clone().get(format!("sess:{SESSION_ID}")).await.unwrap();
        assert!(!session.is_empty());
        Ok(Response::new(self.answer.clone()))
    }

    async fn explain(&self, _: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

pub async fn serve(redis: &str) {
    let redis = redis::Client::open(redis).unwrap().get_multiplexed_async_connection().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    Server::builder()
        .add_service(AuthorizationServiceServer::new(Bare { redis, answer: answer() }))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await
        .unwrap();
}

fn answer() -> AuthorizeResponse {
    let text = |text: &str| Kind::StringValue(text.to_owned());
    let fields = [
        ("id", Kind::NumberValue(4711.0)),
        ("name", text("Ana Kowalska")),
        ("email", text("ana@app.example")),
        ("role", text("admin")),
        ("team", text("payments")),
        ("gender", text("female")),
        ("logged_in", Kind::BoolValue(true)),
    ];
    AuthorizeResponse {
        accepted: true,
        reason: Reason::Authorized.into(),
        user: Some(Struct {
            fields: fields.map(|(name, kind)| (name.to_owned(), Value { kind: Some(kind) })).into(),
        }),
        session_id: SESSION_ID.to_owned(),
        ..AuthorizeResponse::default()
    }
}
