//! SOQL as text into a tree: the subset that is modelled, and the vendor's errors for the rest.
//! Knows grammar only; whether a field exists is for `run.rs`.
// Vendor: soql-sosl-reference, "SOQL SELECT Syntax".

use super::errors::ApiError;
use super::tokens::{Token, number_or_time, relative, tokens, unexpected};

/// Vendor: SOQL statements cannot exceed 100,000 characters (soql-sosl-limits).
const TEXT_MAX: usize = 100_000;
const DEPTH_MAX: usize = 30;
const AGGREGATES: &[&str] = &["COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG"];

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub select: Vec<Item>,
    pub from: String,
    pub filter: Option<Expr>,
    pub group: Vec<String>,
    /// What groups must fulfil; its fields may be functions, as `COUNT(Id)`.
    pub having: Option<Expr>,
    /// Field, whether descending, whether empty values come last.
    pub order: Vec<(String, bool, bool)>,
    pub limit: Option<usize>,
    pub offset: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Field(String),
    /// `COUNT()`.
    CountAll,
    /// Function, field, alias.
    Aggregate(String, String, Option<String>),
    /// `FIELDS(ALL)` and its kin.
    Fields(String),
    Children(Box<Query>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare(String, Op, Literal),
    In(String, bool, Vec<Literal>),
    /// A semi-join or an anti-join.
    Among(String, bool, Box<Query>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
    Like,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Text(String),
    Number(f64),
    Truth(bool),
    Null,
    /// RFC 3339, as written.
    Instant(String),
    Date(String),
    /// `TODAY`, `LAST_N_DAYS:3`.
    Relative(String, Option<i64>),
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

pub type Parsed<T> = Result<T, ApiError>;

pub fn parse(text: &str) -> Parsed<Query> {
    if text.len() > TEXT_MAX {
        return Err(ApiError::malformed("SOQL statements cannot be longer than 100000 characters."));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let query = parser.query()?;
    match parser.peek() {
        None => Ok(query),
        Some(token) => Err(unexpected(&token.clone())),
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Parsed<Token> {
        let token = self
            .tokens
            .get(self.at)
            .cloned()
            .ok_or_else(|| ApiError::malformed("unexpected token: '<EOF>'"))?;
        self.at += 1;
        Ok(token)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(known)) if *known == sign);
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) { Ok(()) } else { Err(unexpected(&self.next()?)) }
    }

    fn expect_sign(&mut self, sign: &'static str) -> Parsed<()> {
        if self.take_sign(sign) { Ok(()) } else { Err(unexpected(&self.next()?)) }
    }

    fn name(&mut self) -> Parsed<String> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            token => Err(unexpected(&token)),
        }
    }

    fn number(&mut self) -> Parsed<usize> {
        match self.next()? {
            Token::Number(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| ApiError::malformed("number out of range"))
            }
            token => Err(unexpected(&token)),
        }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(ApiError::malformed("query is nested too deeply")) } else { Ok(()) }
    }

    fn query(&mut self) -> Parsed<Query> {
        self.expect_word("SELECT")?;
        let mut select = vec![self.item()?];
        while self.take_sign(",") {
            select.push(self.item()?);
        }
        self.expect_word("FROM")?;
        let from = self.name()?;
        let filter = if self.take_word("WHERE") { Some(self.condition()?) } else { None };
        let mut group = Vec::new();
        if self.take_word("GROUP") {
            self.expect_word("BY")?;
            group.push(self.name()?);
            while self.take_sign(",") {
                group.push(self.name()?);
            }
        }
        let having = if self.take_word("HAVING") { Some(self.condition()?) } else { None };
        let order = self.order()?;
        let limit = if self.take_word("LIMIT") { Some(self.number()?) } else { None };
        let offset = if self.take_word("OFFSET") { self.number()? } else { 0 };
        // Vendor: FOR VIEW and FOR REFERENCE only note that somebody looked.
        while self.take_word("FOR") {
            if !(self.take_word("VIEW") || self.take_word("REFERENCE")) {
                return Err(unexpected(&self.next()?));
            }
        }
        Ok(Query { select, from, filter, group, having, order, limit, offset })
    }

    fn item(&mut self) -> Parsed<Item> {
        if self.take_sign("(") {
            self.deeper()?;
            let query = self.query()?;
            self.expect_sign(")")?;
            self.depth -= 1;
            return Ok(Item::Children(Box::new(query)));
        }
        let name = self.name()?;
        if !self.take_sign("(") {
            return Ok(Item::Field(name));
        }
        let function = name.to_ascii_uppercase();
        if self.take_sign(")") {
            return if function == "COUNT" { Ok(Item::CountAll) } else { Err(unexpected(&Token::Sign(")"))) };
        }
        let field = self.name()?;
        self.expect_sign(")")?;
        match function.as_str() {
            "FIELDS" => Ok(Item::Fields(field.to_ascii_uppercase())),
            _ if AGGREGATES.contains(&function.as_str()) => {
                let aliased =
                    matches!(self.peek(), Some(Token::Word(word)) if !word.eq_ignore_ascii_case("FROM"));
                let alias = if aliased { Some(self.name()?) } else { None };
                Ok(Item::Aggregate(function, field, alias))
            }
            // Vendor: the label in the user's language; in this org label and value are the same.
            "TOLABEL" => Ok(Item::Field(field)),
            _ => Err(ApiError::malformed(format!("unexpected token: '{name}'"))),
        }
    }

    fn order(&mut self) -> Parsed<Vec<(String, bool, bool)>> {
        let mut order = Vec::new();
        if !self.take_word("ORDER") {
            return Ok(order);
        }
        self.expect_word("BY")?;
        loop {
            let field = self.measured()?;
            let descending = self.take_word("DESC");
            if !descending {
                self.take_word("ASC");
            }
            let mut nulls_last = descending;
            if self.take_word("NULLS") {
                nulls_last = self.take_word("LAST");
                if !nulls_last {
                    self.expect_word("FIRST")?;
                }
            }
            order.push((field, descending, nulls_last));
            if !self.take_sign(",") {
                return Ok(order);
            }
        }
    }

    /// Vendor: AND and OR do not mix without parentheses; the second word is an "unexpected token".
    fn condition(&mut self) -> Parsed<Expr> {
        self.deeper()?;
        let first = self.part()?;
        let joined = ["AND", "OR"].into_iter().find(|word| self.is_word(word));
        let Some(word) = joined else {
            self.depth -= 1;
            return Ok(first);
        };
        let mut parts = vec![first];
        while self.take_word(word) {
            parts.push(self.part()?);
        }
        if self.is_word("AND") || self.is_word("OR") {
            return Err(unexpected(&self.next()?));
        }
        self.depth -= 1;
        Ok(if word == "AND" { Expr::And(parts) } else { Expr::Or(parts) })
    }

    fn part(&mut self) -> Parsed<Expr> {
        if self.take_word("NOT") {
            self.deeper()?;
            let part = self.part()?;
            self.depth -= 1;
            return Ok(Expr::Not(Box::new(part)));
        }
        if self.take_sign("(") {
            let inner = self.condition()?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        let field = self.measured()?;
        let wanted = !self.take_word("NOT");
        if !wanted {
            self.expect_word("IN")?;
        }
        if !wanted || self.take_word("IN") {
            return self.among(field, wanted);
        }
        if self.take_word("LIKE") {
            return Ok(Expr::Compare(field, Op::Like, self.literal()?));
        }
        let op = match self.next()? {
            Token::Sign("=") => Op::Is,
            Token::Sign("!=" | "<>") => Op::IsNot,
            Token::Sign("<") => Op::Less,
            Token::Sign("<=") => Op::AtMost,
            Token::Sign(">") => Op::More,
            Token::Sign(">=") => Op::AtLeast,
            token => return Err(unexpected(&token)),
        };
        Ok(Expr::Compare(field, op, self.literal()?))
    }

    /// A field, or an aggregate of one, written as `COUNT(Id)`.
    fn measured(&mut self) -> Parsed<String> {
        let name = self.name()?;
        if !AGGREGATES.iter().any(|known| known.eq_ignore_ascii_case(&name)) || !self.take_sign("(") {
            return Ok(name);
        }
        let field = self.name()?;
        self.expect_sign(")")?;
        Ok(format!("{}({field})", name.to_ascii_uppercase()))
    }

    fn among(&mut self, field: String, wanted: bool) -> Parsed<Expr> {
        let joined = matches!(self.tokens.get(self.at + 1), Some(Token::Word(word)) if word.eq_ignore_ascii_case("SELECT"));
        if !joined {
            return Ok(Expr::In(field, wanted, self.list()?));
        }
        self.expect_sign("(")?;
        self.deeper()?;
        let query = self.query()?;
        self.expect_sign(")")?;
        self.depth -= 1;
        Ok(Expr::Among(field, wanted, Box::new(query)))
    }

    fn list(&mut self) -> Parsed<Vec<Literal>> {
        self.expect_sign("(")?;
        let mut list = vec![self.literal()?];
        while self.take_sign(",") {
            list.push(self.literal()?);
        }
        self.expect_sign(")")?;
        Ok(list)
    }

    fn literal(&mut self) -> Parsed<Literal> {
        match self.next()? {
            Token::Text(text) => Ok(Literal::Text(text)),
            Token::Number(text) => number_or_time(&text),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Ok(Literal::Null),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Ok(Literal::Truth(true)),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Ok(Literal::Truth(false)),
            Token::Word(word) => relative(&word).ok_or_else(|| unexpected(&Token::Word(word))),
            token => Err(unexpected(&token)),
        }
    }
}
