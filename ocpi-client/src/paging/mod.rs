//! Lists in pages, without I/O.

mod link;
mod pager;
mod query;

pub use link::{Link, next_link};
pub use pager::{PageEnd, PageHeaders, PageLimits, PageStep, Pager};
pub use query::PageQuery;
