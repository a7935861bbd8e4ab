//! How a long answer is cut into pages.

use super::shape::{choice, shape, words};
use crate::provider::expression::Expression;

choice! {
    /// How the next page is asked for.
    pub enum Paging by "by" {
        /// By the address in the header `Link` with `rel="next"`.
        LinkHeader(LinkHeader) = "link_header",
        /// By a token or id out of the answer.
        Cursor(Cursor) = "cursor",
        /// By an address out of the answer.
        NextUrl(NextUrl) = "next_url",
        /// By the number of the page.
        Page(PageNumber) = "page",
        /// By how many records to pass over.
        Offset(Offset) = "offset",
    }
}

words! {
    /// Where a parameter of paging goes.
    pub enum Into {
        /// Among the parameters of the address.
        Query = "query",
        /// At the top of the body.
        Body = "body",
        /// Among the variables of a GraphQL operation.
        Variables = "variables",
    }
}

shape! {
    /// How many records make a page.
    pub struct Size {
        /// The parameter; none if it cannot be chosen.
        parameter: Option<String> = None,
        /// How many there are at most.
        most: u32,
    }
}

shape! {
    /// The header `Link`.
    pub struct LinkHeader {
        /// How many records make a page.
        size: Option<Size> = None,
    }
}

shape! {
    /// A token or id.
    pub struct Cursor {
        /// The parameter.
        parameter: String,
        /// Where the parameter goes.
        into: Into = Into::Query,
        /// Where the answer has it. Nothing there means that this was the last page.
        next: Expression,
        /// Where the answer says that there is more.
        more: Option<Expression> = None,
        /// How many records make a page.
        size: Option<Size> = None,
    }
}

shape! {
    /// An address in the answer. It must lead to the same host.
    pub struct NextUrl {
        /// Where the answer has it.
        next: Expression,
        /// How many records make a page.
        size: Option<Size> = None,
    }
}

shape! {
    /// The number of the page.
    pub struct PageNumber {
        /// The parameter.
        parameter: String,
        /// Where the parameter goes.
        into: Into = Into::Query,
        /// Whether the first page is number 0.
        from_zero: bool = false,
        /// Where the answer has the number of pages.
        pages: Option<Expression> = None,
        /// Where the answer says that there is more.
        more: Option<Expression> = None,
        /// How many records make a page; fewer mean that this was the last one.
        size: Size,
    }
}

shape! {
    /// How many records to pass over.
    pub struct Offset {
        /// The parameter.
        parameter: String,
        /// Where the parameter goes.
        into: Into = Into::Query,
        /// Where the answer has the number of all records.
        total: Option<Expression> = None,
        /// How many records make a page; fewer mean that this was the last one.
        size: Size,
    }
}

impl Paging {
    /// How many records make a page.
    #[must_use]
    pub fn size(&self) -> Option<&Size> {
        match self {
            Self::LinkHeader(it) => it.size.as_ref(),
            Self::Cursor(it) => it.size.as_ref(),
            Self::NextUrl(it) => it.size.as_ref(),
            Self::Page(it) => Some(&it.size),
            Self::Offset(it) => Some(&it.size),
        }
    }

    /// Where parameters go.
    #[must_use]
    pub fn into(&self) -> Into {
        match self {
            Self::LinkHeader(_) | Self::NextUrl(_) => Into::Query,
            Self::Cursor(it) => it.into,
            Self::Page(it) => it.into,
            Self::Offset(it) => it.into,
        }
    }
}
