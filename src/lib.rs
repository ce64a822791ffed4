//! evenload
