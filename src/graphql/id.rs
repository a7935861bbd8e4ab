//! Typed ids as arguments: the scalar is `ID`, and an id of another kind is refused with a code.

use std::borrow::Cow;

use async_graphql::{ID, InputType, InputValueError, InputValueResult, Value, registry::Registry};

use crate::kernel::{
    error::Code,
    id::{Id, Kind},
};

impl<K: Kind> InputType for Id<K> {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <ID as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <ID as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let refused = |text: String| InputValueError::custom(text).with_extension("code", Code::BadUserInput.name());
        match value {
            Some(Value::String(text)) => text.parse::<Self>().map_err(|error| refused(error.to_string())),
            _ => Err(refused("an id is a string".to_owned())),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

/// An id on its way out.
pub fn out<K: Kind>(id: Id<K>) -> ID {
    ID(id.to_string())
}
