//! Reads a book's JSON so strictly that whatever is wrong with an order can be said of that order.

use std::{borrow::Cow, fmt};

use protocol::{energy::Energy, money::Price};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{BOOK_BYTES_MAX, BookError, OrderProblem};

/// An order as a book names it.
pub(super) struct NamedOrder<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) price: Price,
    pub(super) quantity: Energy,
    pub(super) bus: Option<Cow<'a, str>>,
}

/// An order that is none, with its id if that much could be read.
pub(super) struct BadOrder {
    pub(super) id: Option<String>,
    pub(super) problem: OrderProblem,
}

/// One element of a list of orders. A bad one does not end the reading, so that its error can name it.
struct ReadOrder<'a>(Result<NamedOrder<'a>, Box<BadOrder>>);

/// A book, its form checked but not yet its orders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBook<'a> {
    #[serde(borrow)]
    pub(super) bids: Orders<'a>,
    #[serde(borrow)]
    pub(super) offers: Orders<'a>,
}

/// The orders of one side, or the first bad one and its place, from 0. Of what comes after a bad one nothing is kept: a
/// list of millions of empty objects is as good as its first.
pub(super) struct Orders<'a>(pub(super) Result<Vec<NamedOrder<'a>>, (usize, Box<BadOrder>)>);

impl<'a> RawBook<'a> {
    pub(super) fn read(json: &'a [u8]) -> Result<RawBook<'a>, BookError> {
        if json.len() > BOOK_BYTES_MAX {
            return Err(BookError::TooLarge { found: json.len() });
        }
        // serde would take a list of two lists for the object.
        if json.trim_ascii_start().first() == Some(&b'[') {
            return Err(BookError::NotABook("a list".into()));
        }
        serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => BookError::NotABook(error.to_string()),
            _ => BookError::NotJson(error.to_string()),
        })
    }
}

/// The value of a field, whatever it is.
enum Value<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    Negative(i64),
    /// Anything else, described.
    Other(Cow<'static, str>),
}

impl Value<'_> {
    fn describe(&self) -> String {
        match self {
            Value::Text(text) => format!("the text {:?}", text.chars().take(80).collect::<String>()),
            Value::Whole(number) => format!("the number {number}"),
            Value::Negative(number) => format!("the number {number}"),
            Value::Other(other) => other.to_string(),
        }
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Negative(number))
    }

    // Only to name it in the message: no field is a number with a fraction or an exponent.
    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other(Cow::Owned(format!("the number {number:?}"))))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other(Cow::Borrowed("null")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other(Cow::Borrowed("a list")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value<'de>, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other(Cow::Borrowed("an object")))
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value<'de>, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// The fields of an order as they were found.
#[derive(Default)]
struct Fields<'a> {
    id: Option<Value<'a>>,
    price: Option<Value<'a>>,
    quantity: Option<Value<'a>>,
    bus: Option<Value<'a>>,
    /// The first thing wrong with the fields themselves.
    problem: Option<OrderProblem>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: Value<'a>) {
        let short = || name.chars().take(80).collect::<String>();
        let field = match name {
            "id" => &mut self.id,
            "price" => &mut self.price,
            "quantity" => &mut self.quantity,
            "bus" => &mut self.bus,
            _ => {
                self.problem.get_or_insert_with(|| OrderProblem::UnknownField(short()));
                return;
            }
        };
        if field.replace(value).is_some() {
            self.problem.get_or_insert_with(|| OrderProblem::DuplicateField(short()));
        }
    }

    fn into_order(self) -> Result<NamedOrder<'a>, Box<BadOrder>> {
        let id = match text("id", "", self.id) {
            Ok(id) if id.is_empty() => return Err(Box::new(BadOrder { id: None, problem: OrderProblem::EmptyId })),
            Ok(id) => id,
            Err(problem) => return Err(Box::new(BadOrder { id: None, problem: self.problem.unwrap_or(problem) })),
        };
        let rest = |problem: Option<OrderProblem>| -> Result<_, OrderProblem> {
            problem.map_or(Ok(()), Err)?;
            let price = text("price", " such as \"0.125\"", self.price)?.parse()?;
            let quantity = quantity(self.quantity)?;
            let bus = self.bus.map(|bus| text("bus", "", Some(bus))).transpose()?;
            Ok((price, quantity, bus))
        };
        match rest(self.problem) {
            Ok((price, quantity, bus)) => Ok(NamedOrder { id, price, quantity, bus }),
            Err(problem) => Err(Box::new(BadOrder { id: Some(id.into_owned()), problem })),
        }
    }
}

fn text<'a>(
    field: &'static str,
    example: &'static str,
    value: Option<Value<'a>>,
) -> Result<Cow<'a, str>, OrderProblem> {
    match value {
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(OrderProblem::NotText { field, example, found: other.describe() }),
        None => Err(OrderProblem::MissingField(field)),
    }
}

fn quantity(value: Option<Value<'_>>) -> Result<Energy, OrderProblem> {
    match value {
        Some(Value::Whole(wh)) => {
            let energy = Energy::from_wh(wh);
            if energy.is_within_limit() { Ok(energy) } else { Err(OrderProblem::QuantityTooLarge(wh)) }
        }
        Some(Value::Negative(wh)) => Err(OrderProblem::QuantityNegative(wh)),
        Some(other) => Err(OrderProblem::QuantityNotWhole(other.describe())),
        None => Err(OrderProblem::MissingField("quantity")),
    }
}

struct OrderVisitor;

impl<'de> Visitor<'de> for OrderVisitor {
    type Value = ReadOrder<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an order {\"id\":…,\"price\":…,\"quantity\":…}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<ReadOrder<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some((name, value)) = object.next_entry::<Value<'de>, Value<'de>>()? {
            // The names in a JSON object are always texts.
            if let Value::Text(name) = name {
                fields.take(&name, value);
            }
        }
        Ok(ReadOrder(fields.into_order()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ReadOrder<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ReadOrder<'a>, D::Error> {
        deserializer.deserialize_map(OrderVisitor)
    }
}

/// Orders that are read before the next part is begun. A list that grows in one piece has up to three times its memory
/// while it moves.
const PART: usize = 1_024;

struct OrdersVisitor;

impl<'de> Visitor<'de> for OrdersVisitor {
    type Value = Orders<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of orders")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Orders<'de>, A::Error> {
        let (mut parts, mut part, mut count) = (Vec::new(), Vec::new(), 0);
        while let Some(ReadOrder(order)) = list.next_element()? {
            match order {
                Ok(order) => part.push(order),
                Err(bad) => {
                    drop((parts, part));
                    while list.next_element::<ReadOrder<'de>>()?.is_some() {}
                    return Ok(Orders(Err((count, bad))));
                }
            }
            count += 1;
            if part.len() == PART {
                parts.push(std::mem::replace(&mut part, Vec::with_capacity(PART)));
            }
        }
        let mut orders = Vec::with_capacity(count);
        parts.into_iter().for_each(|part| orders.extend(part));
        orders.extend(part);
        Ok(Orders(Ok(orders)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Orders<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Orders<'a>, D::Error> {
        deserializer.deserialize_seq(OrdersVisitor)
    }
}
