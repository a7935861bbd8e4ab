//! What is sent.

use super::{
    leaf::{Name, Path, Templates},
    shape::{shape, words},
};
use crate::provider::template::Tree;

words! {
    /// A method of HTTP.
    pub enum Method {
        /// Reads.
        Get = "GET",
        /// Creates or acts.
        Post = "POST",
        /// Replaces.
        Put = "PUT",
        /// Changes.
        Patch = "PATCH",
        /// Removes.
        Delete = "DELETE",
    }
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

shape! {
    /// A request. Parameters and parts of a body whose gap has no value are left out.
    pub struct Request {
        /// The method.
        method: Method = Method::Get,
        /// The name of another address of the environment than its base url.
        host: Option<Name> = None,
        /// The path below the address.
        path: Path,
        /// Parameters of the address.
        query: Option<Templates> = None,
        /// Headers beside those of every request.
        headers: Option<Templates> = None,
        /// A body of JSON.
        json: Option<Tree> = None,
        /// A body of form fields; tables inside are written `outer[inner]`.
        form: Option<Tree> = None,
        /// A body that is a GraphQL operation.
        graphql: Option<Graphql> = None,
    }
}

shape! {
    /// A GraphQL operation.
    pub struct Graphql {
        /// The document.
        query: String,
        /// Its variables.
        variables: Option<Tree> = None,
    }
}

impl Request {
    /// Whether all of the input goes in, whatever it has.
    #[must_use]
    pub fn uses_whole_input(&self) -> bool {
        let graphql = self.graphql.as_ref().and_then(|graphql| graphql.variables.as_ref());
        let trees = self.json.iter().chain(&self.form).chain(graphql);
        trees.flat_map(Tree::templates).any(|template| template.lone() == Some("input"))
    }
}
