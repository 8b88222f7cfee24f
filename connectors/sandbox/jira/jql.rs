//! JQL: words, then clauses. What is outside the modelled subset is an error in the vendor's words, never a guess.
//! Knows no issues.

/// Clauses of one query; more are refused.
const CLAUSES_MAX: usize = 500;
const DEPTH_MAX: usize = 50;
/// Vendor: `ORDER BY` takes at most seven fields.
const ORDER_MAX: usize = 7;

#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Clause(Clause),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// As written.
    pub field: String,
    pub op: Op,
    pub operand: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
    Contains,
    NotContains,
    In,
    NotIn,
    Is,
    IsNot,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Single(Value),
    List(Vec<Value>),
    Empty,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text { text: String, quoted: bool },
    Function { name: String, arguments: Vec<String> },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    pub condition: Option<Expr>,
    /// Field and whether it descends.
    pub order: Vec<(String, bool)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Word(String),
    Quoted(String),
    Symbol(&'static str),
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    line: usize,
    column: usize,
}

impl Token {
    fn shown(&self) -> &str {
        match &self.kind {
            Kind::Word(text) | Kind::Quoted(text) => text,
            Kind::Symbol(symbol) => symbol,
        }
    }
}

/// The query, or what the vendor says about it.
pub fn parse(text: &str) -> Result<Query, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, clauses: 0 };
    let mut query = Query::default();
    if !parser.at_end() && !parser.is_word("order") {
        query.condition = Some(parser.any(0)?);
    }
    if parser.take_word("order") {
        parser.expect_word("by")?;
        query.order = parser.order()?;
    }
    match parser.peek() {
        None => Ok(query),
        Some(token) => {
            Err(parser.error(&format!("Expecting either 'OR' or 'AND' but got '{}'.", token.shown())))
        }
    }
}

const SYMBOLS: &[&str] = &["!=", "!~", "<=", ">=", "=", "<", ">", "~", "(", ")", ",", "!"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line, mut start) = (0, 1, 0);
    while let Some(letter) = letters.get(at).copied() {
        let column = at - start + 1;
        if letter.is_whitespace() {
            if letter == '\n' {
                (line, start) = (line + 1, at + 1);
            }
            at += 1;
        } else if letter == '"' || letter == '\'' {
            let (text, next) = quoted(&letters, at)
                .ok_or_else(|| format!("Error in the JQL Query: The quoted string '{}' has not been completed. (line {line}, character {column})", letters[at + 1..].iter().collect::<String>()))?;
            tokens.push(Token { kind: Kind::Quoted(text), line, column });
            at = next;
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| starts(&letters[at..], symbol)) {
            tokens.push(Token { kind: Kind::Symbol(symbol), line, column });
            at += symbol.len();
        } else if is_reserved(letter) {
            return Err(format!(
                "Error in the JQL Query: The character '{letter}' is a reserved JQL character. You must enclose it in a string or use the escape '\\u{:04x}' instead. (line {line}, character {column})",
                u32::from(letter)
            ));
        } else {
            let from = at;
            while letters.get(at).is_some_and(|letter| is_plain(*letter)) {
                at += 1;
            }
            // A custom field by number: `cf[10071]`.
            if letters[from..at].iter().collect::<String>().eq_ignore_ascii_case("cf")
                && letters.get(at) == Some(&'[')
            {
                while at < letters.len() && letters[at] != ']' {
                    at += 1;
                }
                at = (at + 1).min(letters.len());
            }
            tokens.push(Token { kind: Kind::Word(letters[from..at].iter().collect()), line, column });
        }
    }
    Ok(tokens)
}

fn starts(letters: &[char], symbol: &str) -> bool {
    symbol.chars().enumerate().all(|(at, letter)| letters.get(at) == Some(&letter))
}

fn is_plain(letter: char) -> bool {
    !letter.is_whitespace() && !"\"'=<>~!(),".contains(letter) && !is_reserved(letter)
}

fn is_reserved(letter: char) -> bool {
    "{}*/%+$#@?|^&;`[]".contains(letter)
}

/// A quoted string from its opening quote on, and the position behind it.
fn quoted(letters: &[char], from: usize) -> Option<(String, usize)> {
    let (open, mut text, mut at) = (letters[from], String::new(), from + 1);
    loop {
        match letters.get(at)? {
            '\\' => {
                match letters.get(at + 1)? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    other => text.push(*other),
                }
                at += 2;
            }
            letter if *letter == open => return Some((text, at + 1)),
            letter => {
                text.push(*letter);
                at += 1;
            }
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    clauses: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek().map(|token| &token.kind), Some(Kind::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found =
            matches!(self.peek().map(|token| &token.kind), Some(Kind::Symbol(found)) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), String> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(&format!("'{word}'"))) }
    }

    fn error(&self, what: &str) -> String {
        match self.peek() {
            Some(token) => {
                format!("Error in the JQL Query: {what} (line {}, character {})", token.line, token.column)
            }
            None => format!("Error in the JQL Query: {what}"),
        }
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.peek() {
            Some(token) => self.error(&format!("Expecting {wanted} but got '{}'.", token.shown())),
            None => self.error(&format!("Expecting {wanted} before the end of the query.")),
        }
    }

    fn any(&mut self, depth: usize) -> Result<Expr, String> {
        let mut list = vec![self.all(depth)?];
        while self.take_word("or") || (self.take_symbol("|") && self.take_symbol("|")) {
            list.push(self.all(depth)?);
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Expr::Any(list) })
    }

    fn all(&mut self, depth: usize) -> Result<Expr, String> {
        let mut list = vec![self.one(depth)?];
        while self.take_word("and") {
            list.push(self.one(depth)?);
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Expr::All(list) })
    }

    fn one(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > DEPTH_MAX || self.clauses > CLAUSES_MAX {
            return Err(self.error("The query is too complex."));
        }
        if self.take_word("not") || self.take_symbol("!") {
            return Ok(Expr::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take_symbol("(") {
            let inner = self.any(depth + 1)?;
            return if self.take_symbol(")") { Ok(inner) } else { Err(self.unexpected("')'")) };
        }
        self.clauses += 1;
        self.clause().map(Expr::Clause)
    }

    fn name(&mut self) -> Result<String, String> {
        match self.peek().map(|token| token.kind.clone()) {
            Some(Kind::Word(name) | Kind::Quoted(name)) => {
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("a field name")),
        }
    }

    fn clause(&mut self) -> Result<Clause, String> {
        let field = self.name()?;
        let op = self.operator()?;
        let operand = match op {
            Op::Is | Op::IsNot => self.empty()?,
            Op::In | Op::NotIn => self.list()?,
            _ if self.take_word("empty") || self.take_word("null") => Operand::Empty,
            _ => Operand::Single(self.value()?),
        };
        Ok(Clause { field, op, operand })
    }

    fn operator(&mut self) -> Result<Op, String> {
        const BY_SYMBOL: [(&str, Op); 8] = [
            ("!=", Op::NotEqual),
            ("!~", Op::NotContains),
            ("<=", Op::AtMost),
            (">=", Op::AtLeast),
            ("=", Op::Equal),
            ("<", Op::Less),
            (">", Op::More),
            ("~", Op::Contains),
        ];
        for (symbol, op) in BY_SYMBOL {
            if self.take_symbol(symbol) {
                return Ok(op);
            }
        }
        if self.take_word("is") {
            return Ok(if self.take_word("not") { Op::IsNot } else { Op::Is });
        }
        if self.take_word("not") {
            self.expect_word("in")?;
            return Ok(Op::NotIn);
        }
        if self.take_word("in") {
            return Ok(Op::In);
        }
        Err(self.unexpected(
            "operator '=', '!=', '<', '>', '<=', '>=', '~', '!~', 'IN', 'NOT IN', 'IS' or 'IS NOT'",
        ))
    }

    fn empty(&mut self) -> Result<Operand, String> {
        if self.take_word("empty") || self.take_word("null") {
            return Ok(Operand::Empty);
        }
        Err(self.unexpected("'EMPTY' or 'NULL'"))
    }

    fn list(&mut self) -> Result<Operand, String> {
        if !self.take_symbol("(") {
            return self.value().map(|value| Operand::List(vec![value]));
        }
        let mut values = vec![self.value()?];
        while self.take_symbol(",") {
            values.push(self.value()?);
        }
        if self.take_symbol(")") { Ok(Operand::List(values)) } else { Err(self.unexpected("')' or ','")) }
    }

    fn value(&mut self) -> Result<Value, String> {
        let Some(token) = self.peek().cloned() else {
            return Err(self.unexpected("either a value, list or function"));
        };
        match token.kind {
            Kind::Quoted(text) => {
                self.at += 1;
                Ok(Value::Text { text, quoted: true })
            }
            Kind::Word(name) => {
                self.at += 1;
                if self.take_symbol("(") {
                    self.function(name)
                } else {
                    Ok(Value::Text { text: name, quoted: false })
                }
            }
            Kind::Symbol(_) => Err(self.unexpected("either a value, list or function")),
        }
    }

    fn function(&mut self, name: String) -> Result<Value, String> {
        let mut arguments = Vec::new();
        while !self.take_symbol(")") {
            arguments.push(self.name()?);
            if !self.take_symbol(",") && !matches!(self.peek().map(|t| &t.kind), Some(Kind::Symbol(")"))) {
                return Err(self.unexpected("')' or ','"));
            }
        }
        Ok(Value::Function { name, arguments })
    }

    fn order(&mut self) -> Result<Vec<(String, bool)>, String> {
        let mut order = Vec::new();
        loop {
            let field = self.name()?;
            let descends = self.take_word("desc");
            if !descends {
                self.take_word("asc");
            }
            order.push((field, descends));
            if !self.take_symbol(",") {
                break;
            }
        }
        if order.len() > ORDER_MAX {
            return Err(format!("Error in the JQL Query: at most {ORDER_MAX} fields can be ordered by."));
        }
        Ok(order)
    }
}
