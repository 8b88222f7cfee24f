//! Values that conditions work on, and the three answers a test can give.
//!
//! Must not know: where values come from.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The words of a condition are typed; these are the types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Bool,
    Number,
    /// Whole seconds: what `minutes(30)` gives and what readings that grow are.
    Seconds,
    Text,
    /// A point in time. Shown in texts, compared with nothing but `null`.
    Instant,
    /// A custom field: whatever the vendor holds.
    Any,
    Null,
    Texts,
    Numbers,
    Bools,
    Anys,
}

impl Type {
    pub fn word(self) -> &'static str {
        match self {
            Type::Bool => "true or false",
            Type::Number => "number",
            Type::Seconds => "time span",
            Type::Text => "text",
            Type::Instant => "instant",
            Type::Any => "any",
            Type::Null => "null",
            Type::Texts => "list of texts",
            Type::Numbers => "list of numbers",
            Type::Bools => "list of true or false",
            Type::Anys => "list",
        }
    }

    /// In a sentence: `a number`, `an instant`, `true or false`.
    pub fn one(self) -> String {
        match self {
            Type::Bool | Type::Null => self.word().to_owned(),
            Type::Any => "anything".to_owned(),
            Type::Instant => format!("an {}", self.word()),
            _ => format!("a {}", self.word()),
        }
    }

    /// What the elements of a list are; `None` if it is no list.
    pub fn element(self) -> Option<Type> {
        match self {
            Type::Texts => Some(Type::Text),
            Type::Numbers => Some(Type::Number),
            Type::Bools => Some(Type::Bool),
            Type::Anys | Type::Any => Some(Type::Any),
            _ => None,
        }
    }

    pub fn list_of(self) -> Type {
        match self {
            Type::Text => Type::Texts,
            Type::Number | Type::Seconds => Type::Numbers,
            Type::Bool => Type::Bools,
            _ => Type::Anys,
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self, Type::Number | Type::Seconds | Type::Any)
    }
}

/// A value free of time.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    Texts(&'a [String]),
    List(Vec<Value<'a>>),
}

/// Why a test could not be made.
pub type Reason = Cow<'static, str>;

/// A value, or why it cannot be known.
pub type Known<'a> = Result<Value<'a>, Reason>;

impl<'a> Value<'a> {
    pub fn text(value: &'a str) -> Self {
        Value::Text(Cow::Borrowed(value))
    }

    pub fn text_or_null(value: Option<&'a str>) -> Self {
        value.map_or(Value::Null, Value::text)
    }

    /// Elements of a list; nothing for what is none.
    pub fn elements(&self) -> Vec<Value<'a>> {
        match self {
            Value::Texts(texts) => texts.iter().map(|text| Value::text(text)).collect(),
            Value::List(list) => list.clone(),
            _ => Vec::new(),
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(int) => Some(*int as f64),
            Value::Double(double) => Some(*double),
            _ => None,
        }
    }

    /// Equality as CEL has it: numbers by value, anything else by kind and value.
    pub fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Texts(_) | Value::List(_), Value::Texts(_) | Value::List(_)) => {
                let (a, b) = (self.elements(), other.elements());
                a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.equals(b))
            }
            _ => matches!((self.number(), other.number()), (Some(a), Some(b)) if a == b),
        }
    }

    /// Order of two values of one kind; `None` where there is none.
    pub fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Double(_) => "a number",
            Value::Text(_) => "a text",
            Value::Texts(_) | Value::List(_) => "a list",
        }
    }
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    Greater,
}

impl Comparison {
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::AtLeast => ">=",
            Comparison::Greater => ">",
        }
    }

    /// The same comparison with its sides exchanged.
    pub fn flipped(self) -> Self {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::AtMost => Comparison::AtLeast,
            Comparison::AtLeast => Comparison::AtMost,
            Comparison::Greater => Comparison::Less,
            same => same,
        }
    }

    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::AtMost => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::AtLeast => order.is_ge(),
            Comparison::Greater => order.is_gt(),
        }
    }

    /// Whether two values stand in this relation. A missing value is less than, equal to or greater than nothing, so a
    /// comparison of order with it is false; it equals only `null`. Values of different kinds cannot be ordered.
    pub fn holds(self, left: &Value<'_>, right: &Value<'_>) -> Result<bool, Reason> {
        match self {
            Comparison::Equal => Ok(left.equals(right)),
            Comparison::NotEqual => Ok(!left.equals(right)),
            _ if matches!(left, Value::Null) || matches!(right, Value::Null) => Ok(false),
            _ => match left.order(right) {
                Some(order) => Ok(self.accepts(order)),
                None => Err(format!("{} cannot be compared with {}", left.kind(), right.kind()).into()),
            },
        }
    }
}

/// The three answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown(Reason),
}

impl Truth {
    pub fn is_true(&self) -> bool {
        *self == Truth::True
    }

    pub fn negated(self) -> Self {
        match self {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            unknown => unknown,
        }
    }

    /// `None`: cannot tell.
    pub fn known(&self) -> Option<bool> {
        match self {
            Truth::True => Some(true),
            Truth::False => Some(false),
            Truth::Unknown(_) => None,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Truth::True } else { Truth::False }
    }
}

impl From<Result<bool, Reason>> for Truth {
    fn from(value: Result<bool, Reason>) -> Self {
        value.map_or_else(Truth::Unknown, Truth::from)
    }
}
