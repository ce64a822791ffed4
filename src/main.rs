//! evenload
fn main() {}
