//! Placeholder until the real one is merged.
use super::{
    packed::Value,
    scope::{GatewayField, Scope, SocketField},
};
/// A path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// u
    User(Vec<Box<[u8]>>),
    /// s
    Socket(SocketField, Vec<Box<[u8]>>),
    /// g
    Gateway(GatewayField, Vec<Box<[u8]>>),
}
/// Parses.
pub fn path(text: &str) -> Result<Path, String> {
    let mut parts = text.split('.');
    let root = parts.next();
    let rest = |parts: std::str::Split<'_, char>| parts.map(|p| p.as_bytes().into()).collect();
    match root {
        Some("user") => Ok(Path::User(rest(parts))),
        Some("socket") => {
            let f = parts.next().unwrap_or_default();
            let f = SocketField::ALL.into_iter().find(|x| x.name() == f).ok_or("field")?;
            Ok(Path::Socket(f, rest(parts)))
        }
        Some("gateway") => {
            let f = parts.next().unwrap_or_default();
            let f = GatewayField::ALL.into_iter().find(|x| x.name() == f).ok_or("field")?;
            Ok(Path::Gateway(f, rest(parts)))
        }
        _ => Err("no path".into()),
    }
}
impl Path {
    /// Socket field.
    pub fn socket(f: SocketField) -> Self {
        Self::Socket(f, Vec::new())
    }
    /// Value.
    pub fn get<'a, S: Scope<'a>>(&self, scope: &S) -> Option<Value<'a>> {
        let (mut value, steps) = match self {
            Self::User(steps) => (Value::Map(scope.user()), steps),
            Self::Socket(f, steps) => (scope.socket(*f), steps),
            Self::Gateway(f, steps) => (scope.gateway(*f), steps),
        };
        for step in steps {
            let Value::Map(map) = value else { return None };
            value = map.get(step)?;
        }
        Some(value)
    }
}
impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
