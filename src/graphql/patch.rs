//! Fields of inputs that may be left out, be null, or have a value: each means something else.

use async_graphql::MaybeUndefined;

use crate::kernel::input::Patch;

impl<T> From<MaybeUndefined<T>> for Patch<T> {
    fn from(value: MaybeUndefined<T>) -> Self {
        match value {
            MaybeUndefined::Undefined => Self::Keep,
            MaybeUndefined::Null => Self::Clear,
            MaybeUndefined::Value(value) => Self::Set(value),
        }
    }
}
