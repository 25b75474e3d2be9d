//! What a route is: methods, path, allowed parameters, body and handler, as plain data.

use es_exception::Exception;
use futures::future::BoxFuture;

use crate::call::Call;
use crate::reply::Reply;

/// The HTTP methods that routes are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Get,
    Head,
    Post,
    Put,
    Delete,
}

impl Verb {
    /// The verb of an HTTP method, `None` for methods that no route has.
    pub(crate) fn of(method: &http::Method) -> Option<Self> {
        match method.as_str() {
            "GET" => Some(Self::Get),
            "HEAD" => Some(Self::Head),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What body a route reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyRule {
    /// None: a body is refused.
    Refused,
    /// One JSON value, or nothing; the handler says which.
    Json,
    /// Lines of JSON.
    Lines,
}

/// What an asynchronous handler looks like behind a function pointer.
pub(crate) type Handler = fn(Call) -> BoxFuture<'static, Result<Reply, Exception>>;

/// One row of the route table.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) verbs: &'static [Verb],
    pub(crate) path: &'static str,
    /// Groups of parameters that the route takes besides the common ones.
    pub(crate) params: &'static [&'static [&'static str]],
    pub(crate) body: BodyRule,
    /// Whether the work is carried to its end even when the client hangs up.
    pub(crate) carried_on: bool,
    pub(crate) handler: Handler,
}

impl Route {
    /// A route that reads no body and stops when its client hangs up.
    pub(crate) const fn new(
        verbs: &'static [Verb],
        path: &'static str,
        params: &'static [&'static [&'static str]],
        handler: Handler,
    ) -> Self {
        Self {
            verbs,
            path,
            params,
            body: BodyRule::Refused,
            carried_on: false,
            handler,
        }
    }

    /// The same route, reading one JSON value.
    pub(crate) const fn json(mut self) -> Self {
        self.body = BodyRule::Json;
        self
    }

    /// The same route, reading lines of JSON.
    pub(crate) const fn lines(mut self) -> Self {
        self.body = BodyRule::Lines;
        self
    }

    /// The same route, carried on when the client hangs up: it changes something, and half a change helps nobody.
    pub(crate) const fn carried_on(mut self) -> Self {
        self.carried_on = true;
        self
    }

    /// Whether the route takes a parameter.
    pub(crate) fn takes(&self, parameter: &str) -> bool {
        self.params.iter().any(|group| group.contains(&parameter))
    }
}
