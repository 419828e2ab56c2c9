//! Turns what the parser made of a text into our own tree, and refuses what is not there: names, fields, functions.

use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr as Ast, IdedExpr, LiteralValue, SelectExpr, operators};

use super::{
    Variables, bind,
    constant::Constant,
    error::{self, CompileError},
    expr::{Expr, Loop, Operator, Type, Variable},
    functions::{Function, OTHERS, Style},
    limits, macros,
    parse::Parsed,
    path::{Path, Root},
    pattern::{self, Pattern, Room, State},
    scope::{GatewayField, SocketField},
};

type Lowered = Result<Expr, CompileError>;

/// Lowers a whole expression.
pub(super) fn lower(parsed: &Parsed<'_>, variables: Variables) -> Lowered {
    Lowering { parsed, variables, loops: vec![], patterns: 0, room: Room::default() }.expr(&parsed.root)
}

struct Lowering<'p> {
    parsed: &'p Parsed<'p>,
    variables: Variables,
    /// The variables of the loops around this place, the outermost first.
    loops: Vec<Arc<str>>,
    patterns: usize,
    room: Room,
}

impl Lowering<'_> {
    fn expr(&mut self, part: &IdedExpr) -> Lowered {
        match &part.expr {
            Ast::Literal(literal) => self.literal(part, literal),
            Ast::Ident(name) => self.name(part, name),
            Ast::Select(select) => self.select(part, select),
            Ast::Call(call) => self.call(part, call),
            Ast::List(list) => self.several(&list.elements).map(Expr::List),
            Ast::Map(map) => {
                let mut members = vec![];
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        members.push((self.expr(&entry.key)?, self.expr(&entry.value)?));
                    }
                }
                Ok(Expr::Map(members))
            }
            Ast::Comprehension(_) => self.comprehension(part),
            Ast::Struct(message) => {
                Err(self.error(part, format!("there is no message `{}`", message.type_name)))
            }
            Ast::Unspecified => Err(self.error(part, "this is not understood")),
        }
    }

    fn error(&self, part: &IdedExpr, message: impl Into<String>) -> CompileError {
        self.parsed.error(part, message)
    }

    fn boxed(&mut self, part: &IdedExpr) -> Result<Box<Expr>, CompileError> {
        self.expr(part).map(Box::new)
    }

    fn several(&mut self, parts: &[IdedExpr]) -> Result<Vec<Expr>, CompileError> {
        parts.iter().map(|part| self.expr(part)).collect()
    }

    fn literal(&self, part: &IdedExpr, literal: &LiteralValue) -> Lowered {
        Ok(Expr::Constant(match literal {
            LiteralValue::Boolean(flag) => Constant::Bool(*flag.inner()),
            LiteralValue::Double(number) => Constant::Double(*number.inner()),
            LiteralValue::Int(number) => Constant::Int(*number.inner()),
            LiteralValue::UInt(number) => Constant::Uint(*number.inner()),
            LiteralValue::Null => Constant::Null,
            LiteralValue::String(text) => Constant::Text(text.inner().into()),
            LiteralValue::Bytes(_) => return Err(self.error(part, "there are no values of type bytes")),
        }))
    }

    /// The variable of the innermost loop that has this name.
    fn loop_variable(&self, name: &str) -> Option<Variable> {
        let slot = self.loops.iter().rposition(|found| **found == *name)?;
        self.loops.get(slot).map(|name| Variable { name: Arc::clone(name), slot })
    }

    fn name(&self, part: &IdedExpr, name: &str) -> Lowered {
        if let Some(variable) = self.loop_variable(name) {
            return Ok(Expr::Variable(variable));
        }
        // A leading dot passes by the variables of loops.
        let name = name.strip_prefix('.').unwrap_or(name);
        match name {
            "user" => Ok(Expr::Select(Path::of(Root::User))),
            "socket" => {
                let fields = list(&self.variables.socket_fields());
                Err(self.error(part, format!("`socket` is used by its fields: {fields}")))
            }
            "gateway" if self.variables.gateway => {
                Err(self.error(part, format!("`gateway` is used by its fields: {}", gateway_fields())))
            }
            _ => match (self.variables.bound.filter(|bound| *bound == name), type_named(name)) {
                (Some(bound), _) => Ok(Expr::Params(bound)),
                (None, Some(kind)) => Ok(Expr::Constant(Constant::Type(kind))),
                (None, None) => Err(self.error(part, self.unknown_name(name))),
            },
        }
    }

    fn unknown_name(&self, name: &str) -> String {
        let mut known = vec!["user", "socket"];
        known.extend(self.variables.gateway.then_some("gateway"));
        known.extend(self.variables.bound);
        known.extend(self.loops.iter().map(|name| &**name));
        let there_is = format!("there is {}{}", list(&known), meant(name, known.iter().copied()));
        match name {
            // Known to whoever writes filters.
            "gateway" | "params" => format!("`{name}` is for filters; {there_is}"),
            _ => format!("there is no `{}`; {there_is}", short(name)),
        }
    }

    /// Whether a part is the name of something whose fields are known.
    fn message(&self, part: &IdedExpr) -> Option<Message> {
        let Ast::Ident(name) = &part.expr else { return None };
        if self.loop_variable(name).is_some() {
            return None;
        }
        match name.strip_prefix('.').unwrap_or(name) {
            "socket" => Some(Message::Socket),
            "gateway" if self.variables.gateway => Some(Message::Gateway),
            _ => None,
        }
    }

    fn field(&self, part: &IdedExpr, message: Message, name: &str) -> Result<Path, CompileError> {
        let found = match message {
            Message::Socket => {
                self.variables.socket.iter().copied().find(|field| field.name() == name).map(Root::Socket)
            }
            Message::Gateway => {
                GatewayField::ALL.into_iter().find(|field| field.name() == name).map(Root::Gateway)
            }
        };
        found.map(Path::of).ok_or_else(|| {
            let (of, fields) = match message {
                Message::Socket => ("socket", self.variables.socket_fields()),
                Message::Gateway => ("gateway", GatewayField::ALL.map(GatewayField::name).to_vec()),
            };
            let it_has = format!("it has {}{}", list(&fields), meant(name, fields.iter().copied()));
            let is_of_open_sockets = SocketField::ALL.into_iter().any(|field| field.name() == name);
            self.error(
                part,
                match message {
                    Message::Socket if is_of_open_sockets => {
                        format!("`socket.{name}` is not known before the socket is open; {it_has}")
                    }
                    _ => format!("`{of}` has no field `{name}`; {it_has}"),
                },
            )
        })
    }

    fn select(&mut self, part: &IdedExpr, select: &SelectExpr) -> Lowered {
        if let Some(kind) = qualified(part).as_deref().and_then(type_named) {
            return Ok(Expr::Constant(Constant::Type(kind)));
        }
        if let Some(message) = self.message(&select.operand) {
            let path = self.field(part, message, &select.field)?;
            return Ok(if select.test { Expr::Has(path) } else { Expr::Select(path) });
        }
        let name = &*select.field;
        Ok(match (self.expr(&select.operand)?, select.test) {
            (Expr::Select(path), false) => Expr::Select(path.then(name)),
            (Expr::Select(path), true) => Expr::Has(path.then(name)),
            (operand, false) => Expr::Field(Box::new(operand), name.into()),
            (operand, true) => Expr::HasField(Box::new(operand), name.into()),
        })
    }

    fn index(&mut self, part: &IdedExpr, operand: &IdedExpr, index: &IdedExpr) -> Lowered {
        let name = match &index.expr {
            Ast::Literal(LiteralValue::String(name)) => Some(name.inner()),
            _ => None,
        };
        if let Some(message) = self.message(operand) {
            let Some(name) = name else {
                return Err(
                    self.error(part, "a field is named by its name in quotes, which cannot be computed")
                );
            };
            return self.field(part, message, name).map(Expr::Select);
        }
        Ok(match (self.expr(operand)?, name) {
            (Expr::Select(path), Some(name)) => Expr::Select(path.then(name)),
            (operand, _) => Expr::Index(Box::new(operand), self.boxed(index)?),
        })
    }

    fn call(&mut self, part: &IdedExpr, call: &CallExpr) -> Lowered {
        let name = &*call.func_name;
        let operator = match (name, &*call.args) {
            (operators::LOGICAL_AND, [left, right]) => {
                return Ok(bind::junction(vec![self.expr(left)?, self.expr(right)?], true));
            }
            (operators::LOGICAL_OR, [left, right]) => {
                return Ok(bind::junction(vec![self.expr(left)?, self.expr(right)?], false));
            }
            (operators::LOGICAL_NOT, [term]) => return self.boxed(term).map(Expr::Not),
            (operators::CONDITIONAL, [condition, then, otherwise]) => {
                let parts = [self.expr(condition)?, self.expr(then)?, self.expr(otherwise)?];
                return Ok(Expr::Conditional(Box::new(parts)));
            }
            (operators::INDEX, [operand, index]) => return self.index(part, operand, index),
            (operators::IN, [element, container]) => {
                return Ok(Expr::In(self.boxed(element)?, self.boxed(container)?));
            }
            (operators::NEGATE, [_]) => Some(Function::Negate),
            (operators::ADD, _) => Some(Function::Add),
            (operators::SUBSTRACT, _) => Some(Function::Subtract),
            (operators::MULTIPLY, _) => Some(Function::Multiply),
            (operators::DIVIDE, _) => Some(Function::Divide),
            (operators::MODULO, _) => Some(Function::Remainder),
            _ => None,
        };
        if let Some(function) = operator {
            return Ok(Expr::Call(function, self.several(&call.args)?));
        }
        if let ([left, right], Some(operator)) = (&*call.args, comparison(name)) {
            return Ok(Expr::Compare(operator, self.boxed(left)?, self.boxed(right)?));
        }
        self.named_call(part, call)
    }

    fn named_call(&mut self, part: &IdedExpr, call: &CallExpr) -> Lowered {
        let name = call.func_name.strip_prefix('.').unwrap_or(&call.func_name);
        let operands: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        if let Some((function, _, style, count)) = Function::named(name) {
            let written = match style {
                Style::Both => true,
                Style::Method => call.target.is_some(),
                _ => call.target.is_none(),
            };
            if !written {
                let how =
                    if call.target.is_some() { format!("{name}(…)") } else { format!("x.{name}(…)") };
                return Err(self.error(part, format!("`{name}` is written `{how}`")));
            }
            if !count.contains(&operands.len()) {
                let in_front = usize::from(call.target.is_some());
                let takes = match (count.start() - in_front.min(*count.start()), count.end() - in_front) {
                    (least, most) if least == most => format!("{least}"),
                    (least, most) => format!("{least} to {most}"),
                };
                return Err(self.error(
                    part,
                    format!("`{name}` takes {takes} arguments, and here are {}", call.args.len()),
                ));
            }
            let operands =
                operands.into_iter().map(|operand| self.expr(operand)).collect::<Result<_, _>>()?;
            return Ok(Expr::Call(*function, operands));
        }
        match (name, &*operands) {
            ("startsWith", [text, prefix]) if call.target.is_some() => {
                Ok(Expr::StartsWith(self.boxed(text)?, self.boxed(prefix)?))
            }
            ("matches", [text, pattern]) => {
                let text = self.boxed(text)?;
                Ok(Expr::Matches(text, self.pattern(pattern)?))
            }
            _ => Err(self.error(part, unknown_function(name))),
        }
    }

    fn pattern(&mut self, part: &IdedExpr) -> Result<Pattern, CompileError> {
        self.patterns += 1;
        if self.patterns > limits::PATTERNS {
            return Err(
                self.error(part, format!("`matches` may be called at most {} times", limits::PATTERNS))
            );
        }
        match self.expr(part)? {
            Expr::Constant(Constant::Text(text)) => {
                pattern::compile(&text, &mut self.room).map_err(|message| self.error(part, message))
            }
            unbound if bind::is_constant(&unbound) => Ok(Pattern(State::Unbound(Box::new(unbound)))),
            _ => {
                let or_bound =
                    self.variables.bound.map(|bound| format!(", or out of {bound}")).unwrap_or_default();
                Err(self.error(
                    part,
                    format!("the pattern of `matches` must be the same for every socket: a text{or_bound}"),
                ))
            }
        }
    }

    fn comprehension(&mut self, part: &IdedExpr) -> Lowered {
        let Some(found) = macros::recognize(part) else {
            return Err(self.error(part, "this is not understood"));
        };
        let range = self.expr(found.range)?;
        let slot = self.loops.len();
        if slot >= limits::NESTED_LOOPS {
            return Err(self.error(
                part,
                format!(
                    "at most {} of all, exists, exists_one, filter and map may stand inside one another",
                    limits::NESTED_LOOPS
                ),
            ));
        }
        let name: Arc<str> = found.variable.into();
        self.loops.push(Arc::clone(&name));
        let body = self.expr(found.body);
        let kind = found.kind.lower(|condition| self.expr(condition));
        self.loops.pop();
        Ok(Expr::Loop(Box::new(Loop { kind: kind?, range, variable: Variable { name, slot }, body: body? })))
    }
}

#[derive(Clone, Copy)]
enum Message {
    Socket,
    Gateway,
}

fn comparison(name: &str) -> Option<Operator> {
    Some(match name {
        operators::EQUALS => Operator::Eq,
        operators::NOT_EQUALS => Operator::Ne,
        operators::LESS => Operator::Lt,
        operators::LESS_EQUALS => Operator::Le,
        operators::GREATER => Operator::Gt,
        operators::GREATER_EQUALS => Operator::Ge,
        _ => return None,
    })
}

fn type_named(name: &str) -> Option<Type> {
    Type::ALL.into_iter().find(|kind| kind.name() == name)
}

/// `google.protobuf.Timestamp`, if a part is nothing but names with dots between them.
fn qualified(part: &IdedExpr) -> Option<String> {
    match &part.expr {
        Ast::Ident(name) => Some(name.strip_prefix('.').unwrap_or(name).to_owned()),
        Ast::Select(select) if !select.test => {
            Some(format!("{}.{}", qualified(&select.operand)?, select.field))
        }
        _ => None,
    }
}

fn gateway_fields() -> String {
    list(&GatewayField::ALL.map(GatewayField::name))
}

fn unknown_function(name: &str) -> String {
    if let Some((_, how)) = OTHERS.iter().find(|(found, how)| *found == name && !how.is_empty()) {
        return format!("`{name}` is written `{how}`");
    }
    if let Some(sign) = error::in_cel(name) {
        return format!("`{}` is written `{sign}`", short(name));
    }
    let meant = meant(name, Function::names());
    let names: Vec<_> = Function::names().collect();
    format!(
        "there is no function `{}`{}",
        short(name),
        if meant.is_empty() { format!("; there is {}", list(&names)) } else { meant }
    )
}

/// A name as a message repeats it.
fn short(name: &str) -> &str {
    const BYTES: usize = 60;
    name.get(..name.floor_char_boundary(BYTES)).unwrap_or_default()
}

fn list(names: &[&str]) -> String {
    names.join(", ")
}

/// The name that was probably meant, as the end of a sentence.
fn meant<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    /// Names further apart have little in common.
    const ALIKE: usize = 2;
    let near = known.map(|known| (strsim::damerau_levenshtein(known, name), known)).min();
    match near {
        Some((distance, near)) if distance <= ALIKE && distance < near.len() => {
            format!(". Did you mean `{near}`?")
        }
        _ => String::new(),
    }
}
