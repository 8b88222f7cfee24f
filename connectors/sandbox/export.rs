//! A vendor's whole history as one JSON object, made piece by piece.
//! Knows only what the vendor contract gives: named parts and pages of rows.

use crate::vendor::Vendor;
use axum::body::Bytes;
use std::sync::Arc;

/// The pieces of `{"part":[rows…],…}` in order; joined they are the object.
pub fn chunks(vendor: Arc<dyn Vendor>) -> impl Iterator<Item = Bytes> {
    let parts = vendor.history_parts();
    let opened = parts.iter().enumerate().flat_map(move |(index, part)| {
        let lead = if index == 0 { "{" } else { "," };
        let head = Bytes::from(format!("{lead}\"{part}\":["));
        let rows = Pages { vendor: vendor.clone(), part, from: Some(0), first: true };
        std::iter::once(head).chain(rows).chain(std::iter::once(Bytes::from_static(b"]")))
    });
    let tail = if parts.is_empty() { "{}" } else { "}" };
    opened.chain(std::iter::once(Bytes::from_static(tail.as_bytes())))
}

struct Pages {
    vendor: Arc<dyn Vendor>,
    part: &'static str,
    from: Option<usize>,
    first: bool,
}

impl Iterator for Pages {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let (rows, next) = self.vendor.history(self.part, self.from?);
        self.from = next;
        let mut text = String::new();
        for row in rows {
            if !std::mem::take(&mut self.first) {
                text.push(',');
            }
            text.push_str(&row.to_string());
        }
        Some(Bytes::from(text))
    }
}
