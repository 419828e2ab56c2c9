//! Who may come in, of those about whom a decision could be made.

use super::{
    Standing, User,
    explain::{Step, StepName, quote_expression},
    handshake::Handshake,
};
use crate::{
    config::decisions::Accept,
    expression::{
        Bound, Constant, EvaluationError, Expr,
        packed::{Map, Packer, Value},
        path::Root,
        scope::{GatewayField, Scope, SocketField},
    },
    reason::Reason,
};

/// What a policy sees of the socket that a handshake asks for. A field the gateway did not set is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket<'a> {
    /// Socket.IO namespace, or the path of a plain WebSocket.
    pub namespace: &'a str,
    /// The client's address as its gateway sees it.
    pub remote_address: &'a str,
    /// The Origin header.
    pub origin: &'a str,
}

impl<'a> From<&'a Handshake> for Socket<'a> {
    fn from(handshake: &'a Handshake) -> Self {
        Self {
            namespace: &handshake.namespace,
            remote_address: &handshake.remote_address,
            origin: handshake.headers.get("origin").unwrap_or(""),
        }
    }
}

/// The policy could not be asked to the end. It denies then.
#[derive(Debug, thiserror::Error)]
#[error("the policy failed: {0}")]
pub struct PolicyFailed(#[from] pub EvaluationError);

/// Asked of every decision that neither a fault nor the origin stopped.
pub trait Policy: Send + Sync + 'static {
    /// Whether this user, who may be nobody, may have this socket.
    fn accepts(&self, user: &User, socket: Socket<'_>) -> Result<bool, PolicyFailed>;

    /// The policy as people know it: the text of `policy.accept`.
    fn text(&self) -> &str;

    /// The fields of `socket` that it looks at and this handshake does not have.
    fn missing(&self, socket: Socket<'_>) -> Vec<&'static str>;
}

/// The policy of the settings.
#[derive(Debug)]
pub struct AcceptPolicy {
    accept: Accept,
    rule: Rule,
}

/// The two policies that most have need no expression evaluated, and no user packed for it.
#[derive(Debug)]
enum Rule {
    /// `true`
    Everybody,
    /// `user.logged_in`
    LoggedIn,
    /// Any other.
    Expression,
}

impl AcceptPolicy {
    /// Of what the settings say.
    pub fn new(accept: Accept) -> Self {
        let rule = match accept.expression.expr() {
            Expr::Constant(Constant::Bool(true)) => Rule::Everybody,
            Expr::Select(path) if path.to_string() == "user.logged_in" => Rule::LoggedIn,
            _ => Rule::Expression,
        };
        Self { accept, rule }
    }
}

impl Policy for AcceptPolicy {
    fn accepts(&self, user: &User, socket: Socket<'_>) -> Result<bool, PolicyFailed> {
        match self.rule {
            Rule::Everybody => Ok(true),
            Rule::LoggedIn => Ok(user.logged_in()),
            Rule::Expression => evaluate(&self.accept.expression, user, socket),
        }
    }

    fn text(&self) -> &str {
        &self.accept.text
    }

    fn missing(&self, socket: Socket<'_>) -> Vec<&'static str> {
        let empty = SEEN.into_iter().filter(|field| socket.field(*field).is_empty());
        let looked_at = empty.filter(|field| {
            let root = Root::Socket(*field);
            let names =
                |part: &Expr| matches!(part, Expr::Select(path) | Expr::Has(path) if path.root == root);
            self.accept.expression.expr().any(&names)
        });
        looked_at.map(SocketField::name).collect()
    }
}

fn evaluate(expression: &Bound, user: &User, socket: Socket<'_>) -> Result<bool, PolicyFailed> {
    let mut packer = Packer::default();
    packer.object(user.fields());
    let user = packer.into_bytes();
    Ok(expression.evaluate(&Asked { user: Map::of(&user), socket })?)
}

/// What a handshake says of its socket.
const SEEN: [SocketField; 3] = [SocketField::Namespace, SocketField::RemoteAddress, SocketField::Origin];

impl<'a> Socket<'a> {
    /// The same as it is listed: without what is too long for that. The policy has to hold for this too, since it is what the
    /// policy is asked of while the socket is open.
    pub(super) fn as_listed(self) -> Self {
        let listed = |field: SocketField| {
            let text = self.field(field);
            if text.len() <= field.most_bytes() { text } else { "" }
        };
        let [namespace, remote_address, origin] = SEEN.map(listed);
        Self { namespace, remote_address, origin }
    }

    /// The text of a field; empty for what only an open socket has, which no policy can name.
    fn field(self, field: SocketField) -> &'a str {
        match field {
            SocketField::Namespace => self.namespace,
            SocketField::RemoteAddress => self.remote_address,
            SocketField::Origin => self.origin,
            SocketField::GatewayId
            | SocketField::SocketId
            | SocketField::SessionId
            | SocketField::User
            | SocketField::Data
            | SocketField::ConnectedAt => "",
        }
    }
}

/// What the expression looks at.
struct Asked<'a> {
    user: Map<'a>,
    socket: Socket<'a>,
}

impl<'a> Scope<'a> for Asked<'a> {
    fn user(&self) -> Map<'a> {
        self.user
    }

    fn socket(&self, field: SocketField) -> Value<'a> {
        Value::Text(self.socket.field(field).into())
    }

    fn gateway(&self, _: GatewayField) -> Value<'a> {
        Value::Null
    }
}

/// What a policy said of a handshake's socket, or of the same as it is listed, for people.
pub(super) fn step(
    policy: &dyn Policy,
    said: &Result<bool, PolicyFailed>,
    standing: &Standing,
    handshake: Socket<'_>,
    socket: Socket<'_>,
) -> Step {
    let input = format!("policy.accept, {}", quote_expression(policy.text()));
    let failed = |found: &str| Step::failed(StepName::Policy, &*input, found);
    let logged_in = standing.user.logged_in();
    let step = match (said, standing.reason) {
        (Ok(true), _) => return Step::passed(StepName::Policy, input, "it holds"),
        (Ok(false), _) if logged_in => failed("it does not hold for this user"),
        (Ok(false), Reason::NotLoggedIn | Reason::PassportNotInitialized) => {
            failed("it does not hold: nobody is logged in").hint(
                "to let anonymous sockets in, policy.accept has to hold without a user; \"true\" always does",
            )
        }
        (Ok(false), _) => failed("it does not hold: nobody is logged in"),
        (Err(cause), _) => failed(&format!("{cause}, which denies")).hint(if logged_in {
            "`has(user.field)` asks whether this user has a field at all"
        } else {
            "nobody is logged in, so `user` has only `logged_in`: `user.logged_in && …` keeps them out without a failure"
        }),
    };
    let has_been_there = policy.missing(handshake);
    policy.missing(socket).into_iter().fold(step, |step, field| {
        step.hint(match field {
            field if !has_been_there.contains(&field) => {
                format!(
                    "`socket.{field}` is too long to be listed, and has to be let in as an empty one, too"
                )
            }
            "origin" => "there is no Origin header, so `socket.origin` is empty".to_owned(),
            field => format!("`socket.{field}` is empty: does the gateway pass `{field}` on?"),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SOCKET: Socket<'static> =
        Socket { namespace: "/chat", remote_address: "", origin: "https://app.example" };

    fn policy(text: &str) -> AcceptPolicy {
        AcceptPolicy::new(Accept::compile(text).unwrap_or_else(|error| panic!("{text}: {error}")))
    }

    fn ana() -> User {
        let fields = [("id", json!(1)), ("role", json!("admin")), ("score", json!(1.5))];
        User::somebody(fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
    }

    #[test]
    fn the_usual_policies_need_no_evaluation_however_they_are_written() {
        for text in ["true", " true ", "(true)", "1 == 1", "true || user.logged_in"] {
            assert!(matches!(policy(text).rule, Rule::Everybody), "{text}");
        }
        for text in ["user.logged_in", "(user.logged_in)", "user['logged_in']", "socket.user.logged_in"] {
            assert!(matches!(policy(text).rule, Rule::LoggedIn), "{text}");
        }
        for text in ["false", "user.logged_in.x", "!user.logged_in", "user.other"] {
            assert!(matches!(policy(text).rule, Rule::Expression), "{text}");
        }
    }

    #[test]
    fn an_expression_sees_the_user_and_the_socket() {
        for (text, ana_may, nobody_may) in [
            ("false", Some(false), Some(false)),
            ("!user.logged_in", Some(false), Some(true)),
            ("user.logged_in && user.role == 'admin'", Some(true), Some(false)),
            ("user.role == 'admin'", Some(true), None),
            // A whole number is an int, any other a double.
            ("has(user.id) && user.id + 1 == 2 && user.score > 1.0", Some(true), Some(false)),
            ("socket.namespace == '/chat' && socket.origin.endsWith('.example')", Some(true), Some(true)),
            ("socket.remote_address == '' && !has(socket.remote_address)", Some(true), Some(true)),
            ("user.role", None, None),
        ] {
            let policy = policy(text);
            assert_eq!(policy.accepts(&ana(), SOCKET).ok(), ana_may, "{text}");
            assert_eq!(policy.accepts(&User::nobody(), SOCKET).ok(), nobody_may, "{text}");
        }
        let cause = policy("user.role == 'admin'").accepts(&User::nobody(), SOCKET).unwrap_err();
        assert_eq!(cause.to_string(), "the policy failed: there is no `user.role`");
    }

    #[test]
    fn what_it_looks_at_and_is_not_there_can_be_named() {
        let policy =
            policy("socket.namespace != '/a' || [1].all(n, socket.remote_address.startsWith('10.'))");
        assert_eq!(policy.missing(SOCKET), ["remote_address"]);
        assert_eq!(policy.missing(Socket { namespace: "", ..SOCKET }), ["namespace", "remote_address"]);
    }
}
